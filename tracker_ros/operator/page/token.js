// What this page remembers while its tab lives: the token, which comes after the # of the address and
// so is in no log of any server, and the camera that was looked at.

/** @type {Map<string, string>} */
const without = new Map(); // where the browser keeps nothing for pages

/** The token of the address, which is taken out of it, or null. */
export function tokenOfAddress() {
  const hash = location.hash.slice(1);
  if (!hash) return null;
  let token = hash;
  try {
    token = decodeURIComponent(hash);
  } catch {
    // A % that means itself.
  }
  keep("token", token);
  history.replaceState(null, "", location.pathname + location.search);
  return token;
}

/** @param {string} name @param {string} value */
export function keep(name, value) {
  without.set(name, value);
  try {
    sessionStorage.setItem(`tracker_ros.${name}`, value);
  } catch {
    // Forgotten when the page is loaded again.
  }
}

/** @param {string} name @returns {string} empty: nothing is remembered */
export function kept(name) {
  try {
    return sessionStorage.getItem(`tracker_ros.${name}`) ?? without.get(name) ?? "";
  } catch {
    return without.get(name) ?? "";
  }
}
