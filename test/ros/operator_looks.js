// What is wrong with the looks of the operator's page as it is shown now: test_operator_looks.py
// evaluates this in a browser. Contrasts are WCAG's, and what lies over the camera's picture has to
// keep them on a white picture as on a black one.
(() => {
  const TEXT = 4.5;
  const LARGE_TEXT = 3;
  const EDGE = 3;
  const TARGET = 24; // CSS px
  const CAMERA = [[255, 255, 255], [0, 0, 0]]; // a picture may be anything between these

  const style = (one, part) => getComputedStyle(one, part);
  const seen = (one) =>
    one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !clipped(one);
  const clipped = (one) => one && (style(one).clipPath !== "none" || clipped(one.parentElement));
  const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);
  const controls = all("button, select, input, summary").filter((one) => !one.disabled);
  const told = (number, one, words = "") =>
    `${number.toFixed(2)} ${words} ${one.cloneNode(false).outerHTML}`;

  // [red, green, blue, alpha] of a computed colour.
  const colour = (words) => {
    const [r, g, b, a = 1] = words.match(/[\d.]+/g).map(Number);
    return words.startsWith("color") ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a];
  };
  const over = ([r, g, b, a], ground) => [r, g, b].map((one, i) => one * a + ground[i] * (1 - a));
  const light = (rgb) =>
    rgb
      .map((one) => one / 255)
      .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
      .reduce((sum, one, i) => sum + one * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => {
    const [dark, bright] = [light(a), light(b)].sort((x, y) => x - y);
    return (bright + 0.05) / (dark + 0.05);
  };
  // What may be behind an element, itself included.
  const grounds = (one) => {
    if (!one) return [[255, 255, 255]];
    if (one.matches(".stage-box")) return CAMERA;
    const own = colour(style(one).backgroundColor);
    return grounds(one.parentElement).map((ground) => over(own, ground));
  };
  const least = (ink, behind) => Math.min(...behind.map((ground) => ratio(over(colour(ink), ground), ground)));

  function pale() {
    const found = [];
    const judge = (one, words, look) => {
      const size = parseFloat(look.fontSize);
      const large = size >= 24 || (size >= 18.66 && look.fontWeight >= 700);
      const contrast = least(look.color, grounds(one));
      if (contrast < (large ? LARGE_TEXT : TEXT)) found.push(told(contrast, one, words));
    };
    for (const one of all("body, body *")) {
      if (one.closest(":disabled, option, canvas, svg")) continue;
      const own = [...one.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
      const words = own.map((node) => node.data.trim()).join("") || one.selectedOptions?.[0]?.text;
      if (words || one.value) judge(one, words || one.value, style(one));
      if (one.placeholder) judge(one, one.placeholder, style(one, "::placeholder"));
      for (const part of ["::before", "::after"]) {
        const look = style(one, part);
        if (/"[^"]/.test(look.content)) judge(one, look.content, look);
      }
    }
    return found;
  }

  function edgeless() {
    return controls
      .filter((one) => one.matches("button, select, input:not([type=checkbox])"))
      .filter((one) => parseFloat(style(one).borderTopWidth)) // the others are their words
      .flatMap((one) => {
        const { borderTopColor, backgroundColor } = style(one);
        const behind = grounds(one.parentElement);
        const contrast = Math.max(least(borderTopColor, behind), least(backgroundColor, behind));
        return contrast < EDGE ? [told(contrast, one)] : [];
      });
  }

  function unfocused() {
    return [...controls, ...all("[tabindex='0']")].flatMap((one) => {
      one.focus({ focusVisible: true, preventScroll: true });
      const { outlineStyle, outlineColor } = style(one);
      const within = style(one, "::after"); // the ring of the picture, which has a dark line beside it
      const beside = within.boxShadow.match(/rgba?\([^)]*\)/);
      const contrast =
        outlineStyle !== "none" ? least(outlineColor, grounds(one.parentElement))
        : beside ? least(within.borderTopColor, CAMERA.map((ground) => over(colour(beside[0]), ground)))
        : 0;
      one.blur();
      return contrast < EDGE ? [told(contrast, one)] : [];
    });
  }

  function spilt() {
    const right = document.documentElement.clientWidth;
    const wide = [document.documentElement, document.body, ...all("body *")].filter((one) => {
      if (one.closest("svg, canvas, option")) return false;
      const box = one.getBoundingClientRect();
      const beside = box.width > 0 && (box.left < -0.5 || box.right > right + 0.5);
      const full = one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1;
      return beside || (full && style(one).textOverflow !== "ellipsis");
    });
    return wide.map((one) => told(one.scrollWidth, one, one.textContent.trim().slice(0, 40)));
  }

  function tiny() {
    return controls
      .map((one) => [one, (one.closest("label") ?? one).getBoundingClientRect()])
      .filter(([, { width, height }]) => Math.min(width, height) < TARGET)
      .map(([one, { width, height }]) => told(Math.min(width, height), one));
  }

  // The colour that most of what is drawn over the picture has is that behind the names; but for white:
  // that is behind the words, dark ones, of the operator's own box and of what is under the mouse.
  function unread() {
    const { width, height } = document.getElementById("overlay");
    const { data } = document.getElementById("overlay").getContext("2d").getImageData(0, 0, width, height);
    const counts = new Map();
    for (let at = 0; at < data.length; at += 4) {
      const key = `${data[at]},${data[at + 1]},${data[at + 2]},${data[at + 3] / 255}`;
      if (data[at + 3]) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    counts.delete("255,255,255,1");
    const [[plate] = [""]] = [...counts].sort((a, b) => b[1] - a[1]);
    if (!plate) return [];
    const behind = CAMERA.map((ground) => over(colour(plate), ground));
    return ["tracking", "reacquired", "tentative", "uncertain", "lost", "unknown"].flatMap((state) => {
      const hex = style(document.documentElement).getPropertyValue(`--${state}-line`).trim();
      const ink = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
      const contrast = Math.min(...behind.map((ground) => ratio(ink, ground)));
      return contrast < TEXT ? [`${contrast.toFixed(2)} ${state} on ${plate}`] : [];
    });
  }

  const looks = { pale, edgeless, unfocused, spilt, tiny, unread };
  return Object.entries(looks).flatMap(([name, look]) => look().map((one) => `${name}: ${one}`));
})()
