"""What the chapter's text imports."""

from vglib.relu_family.born_dead import born_dead
from vglib.relu_family.dead_units import dead_share, off_at_start
from vglib.relu_family.gauges import train_deep
from vglib.relu_family.portrait import FAMILY, face, milliseconds
from vglib.relu_family.race import race
