"""tracker_ros follows what a robot's camera sees."""

import pkgutil

# The interfaces that rosidl generates are installed as another part of this package;
# without this line, running from the source tree would hide tracker_ros.msg and .srv.
__path__ = pkgutil.extend_path(__path__, __name__)

__version__ = "0.1.0"
