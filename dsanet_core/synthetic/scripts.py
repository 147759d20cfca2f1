"""The classes of the benchmark: for each a script that generates a random scene.

Groups, and the evidence that a network needs for them (the hypothesis behind the design; measured
results are in docs/results.md):

motion       seen inside any one snippet
interaction  how two objects move against each other: local in space and time
order        two events in one of two orders, further apart than a snippet is long; both orders
             show the same frames equally often, so no average over snippets can tell them apart
state        something that builds up at one place until it does, or does not, tip over
scene        the colour of most of many short-lived objects: no local evidence
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from dsanet_core.synthetic.scene import Actor, Colour, ColourTrack, Event, Scene, Track, still

Script = Callable[[Random], Scene]

RED: Colour = (225, 45, 40)
BLUE: Colour = (50, 80, 230)
GREY: Colour = (165, 165, 160)
YELLOW: Colour = (240, 205, 40)
GREEN: Colour = (50, 185, 70)
PAINTS: tuple[Colour, ...] = (
    (230, 120, 40), (60, 190, 190), (170, 80, 200), (235, 120, 170), (150, 200, 60),
    (240, 235, 225), (200, 60, 60), (70, 110, 220), (225, 190, 60),
)
FORMS = ("round", "square", "triangle", "star", "hexagon")


def _tinted(rng: Random, colour: Colour, spread: float = 18) -> Colour:
    red, green, blue = (c + rng.uniform(-spread, spread) for c in colour)
    return red, green, blue


def _paint(rng: Random) -> ColourTrack:
    return ((0.0, _tinted(rng, rng.choice(PAINTS))),)


def _thing(rng: Random, x: Track | float = 0.0, y: Track | float = 0.0, *,
           size: Track | float | None = None, colour: ColourTrack | None = None,
           shape: str | None = None, angle: Track | None = None) -> Actor:
    """An object with random values for every property that is not given."""
    def track(value: Track | float) -> Track:
        return still(value) if isinstance(value, float) else value

    extent = track(rng.uniform(0.17, 0.30) if size is None else size)
    return Actor(
        shape=shape or rng.choice(FORMS), colour=colour or _paint(rng), x=track(x), y=track(y),
        width=extent, height=extent, angle=angle or still(rng.random()),
    )


def _throughout(rng: Random) -> tuple[float, float]:
    """Start and end outside the video, which then shows the steady middle of an eased track."""
    return rng.uniform(-0.35, -0.2), rng.uniform(1.2, 1.35)


def _moving(direction: tuple[int, int]) -> Script:
    def script(rng: Random) -> Scene:
        half = rng.uniform(0.16, 0.30)
        start, end = _throughout(rng)
        tracks = []
        for axis in direction:
            free = 0.36 - half if axis else 0.26
            middle, sway = rng.uniform(-free, free), rng.uniform(-0.03, 0.03)
            reach = axis * half if axis else sway
            tracks.append(((start, middle - reach), (end, middle + reach)))
        return Scene([_thing(rng, *tracks)], [Event("moving", 0.0, 1.0)])
    return script


def _turning(rng: Random) -> Scene:
    turns = rng.uniform(1.0, 1.8) * rng.choice((-1, 1))
    first = rng.random()
    start, end = _throughout(rng)
    wide = rng.uniform(0.34, 0.46)
    actor = _thing(rng, rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), size=wide,
                   shape=rng.choice(("arrow", "box")),
                   angle=((start, first), (end, first + turns)))
    return Scene([replace(actor, height=still(wide * rng.uniform(0.35, 0.5)))],
                 [Event("turning", 0.0, 1.0)])


def _resizing(factor: float) -> Script:
    def script(rng: Random) -> Scene:
        small = rng.uniform(0.11, 0.15)
        large = small * abs(factor) * rng.uniform(0.9, 1.15)
        sizes = (small, large) if factor > 0 else (large, small)
        start, end = _throughout(rng)
        actor = _thing(rng, rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2),
                       size=((start, sizes[0]), (end, sizes[1])))
        return Scene([actor], [Event("approaching" if factor > 0 else "receding", 0.0, 1.0)])
    return script


def _two_things(kind: str) -> Script:
    """Two objects moving along a line, symmetrically about its middle."""
    def script(rng: Random) -> Scene:
        size = rng.uniform(0.16, 0.20)
        far, near = rng.uniform(0.30, 0.35), size / 2 + rng.uniform(0.02, 0.04)
        meet = rng.uniform(0.42, 0.58)
        tracks: dict[str, Track] = {
            "approach": ((0.02, far), (0.85, near)),
            "part": ((0.15, near), (0.98, far)),
            "pass": ((0.02, far), (0.98, -far)),
            "collide": ((0.02, far), (meet - 0.02, size * 0.48), (meet + 0.02, size * 0.48),
                        (0.98, far)),
        }
        distance = tracks[kind]
        lane = rng.uniform(0.05, 0.09) * rng.choice((-1, 1)) if kind == "pass" else 0.0
        middle, upright = rng.uniform(-0.08, 0.08), rng.random() < 0.5
        actors = []
        for side in (-1, 1):
            along = tuple((t, middle + side * d) for t, d in distance)
            across = still(rng.uniform(-0.02, 0.02) + side * lane)
            actors.append(_thing(rng, *((across, along) if upright else (along, across)),
                                 size=size))
        times = (meet - 0.1, meet + 0.1) if kind in ("pass", "collide") else (0.1, 0.9)
        return Scene(actors, [Event(kind, *times)])
    return script


def _two_events(rng: Random) -> tuple[tuple[float, float], tuple[float, float]]:
    """Start and end of an early and a late event.

    Their gap is at least 0.21 of the video; a snippet of the embedded networks spans 0.19. They
    are at the quarters of the range of a snippet's middle (0.1 to 0.9), so that evenly sampled
    snippets show the state between the events as often as the state around them.
    """
    length = rng.uniform(0.10, 0.13)
    early, late = 0.30 + rng.uniform(-0.03, 0.03), 0.70 + rng.uniform(-0.03, 0.03)
    return ((early - length / 2, early + length / 2), (late - length / 2, late + length / 2))


def _there_and_back(early: tuple[float, float], late: tuple[float, float],
                    first: float, then: float) -> Track:
    return ((early[0], first), (early[1], then), (late[0], then), (late[1], first))


def _moving_and_back(sign: int) -> Script:
    def script(rng: Random) -> Scene:
        early, late = _two_events(rng)
        half = rng.uniform(0.13, 0.18)
        middle = rng.uniform(-0.18, 0.18)
        x = _there_and_back(early, late, middle - sign * half, middle + sign * half)
        names = ("right", "left") if sign > 0 else ("left", "right")
        return Scene([_thing(rng, x, rng.uniform(-0.28, 0.28))],
                     [Event(names[0], *early), Event(names[1], *late)])
    return script


def _resizing_and_back(grows: bool) -> Script:
    def script(rng: Random) -> Scene:
        early, late = _two_events(rng)
        small = rng.uniform(0.13, 0.20)
        large = small * rng.uniform(1.8, 2.2)
        sizes = (small, large) if grows else (large, small)
        names = ("growing", "shrinking") if grows else ("shrinking", "growing")
        actor = _thing(rng, rng.uniform(-0.25, 0.25), rng.uniform(-0.25, 0.25),
                       size=_there_and_back(early, late, *sizes))
        return Scene([actor], [Event(names[0], *early), Event(names[1], *late)])
    return script


def _turning_colours(first: Colour, then: Colour, names: tuple[str, str]) -> Script:
    def script(rng: Random) -> Scene:
        early, late = _two_events(rng)
        rest, one, two = _tinted(rng, GREY), _tinted(rng, first), _tinted(rng, then)
        fade = rng.uniform(0.015, 0.03)
        colour: list[tuple[float, Colour]] = []
        for (start, end), paint in ((early, one), (late, two)):
            colour += [(start, rest), (start + fade, paint), (end - fade, paint), (end, rest)]
        actor = _thing(rng, rng.uniform(-0.28, 0.28), rng.uniform(-0.28, 0.28),
                       colour=tuple(colour))
        return Scene([actor], [Event(names[0], *early), Event(names[1], *late)])
    return script


def _covering(covers_first: bool) -> Script:
    def script(rng: Random) -> Scene:
        early, late = _two_events(rng)
        x, y = rng.uniform(-0.12, 0.12), rng.uniform(-0.2, 0.2)
        thing = _thing(rng, x, y, size=rng.uniform(0.17, 0.22))
        size = rng.uniform(0.29, 0.34)
        away = x + rng.choice((-1, 1)) * (size + rng.uniform(-0.02, 0.03))
        places = (away, x) if covers_first else (x, away)
        cover = Actor("box", _paint(rng), _there_and_back(early, late, *places), still(y),
                      still(size), still(size), role="prop")
        names = ("covering", "uncovering") if covers_first else ("uncovering", "covering")
        return Scene([thing, cover], [Event(names[0], *early), Event(names[1], *late)])
    return script


def _filling(overflows: bool) -> Script:
    def script(rng: Random) -> Scene:
        x, floor = rng.uniform(-0.18, 0.18), rng.uniform(0.26, 0.34)
        wide, tall = rng.uniform(0.24, 0.32), rng.uniform(0.36, 0.46)
        liquid = _paint(rng)
        start = rng.uniform(0.02, 0.10)
        full = rng.uniform(0.58, 0.70)
        level = tall if overflows else tall * rng.uniform(0.55, 0.80)
        heights: Track = ((start, 0.0), (full, level))
        surface: Track = tuple((t, floor - h / 2) for t, h in heights)
        glass = Actor("box", ((0.0, _tinted(rng, (70, 75, 85), 12)),), still(x),
                      still(floor - tall / 2), still(wide + 0.05), still(tall + 0.05), role="prop")
        actors = [glass, Actor("box", liquid, still(x), surface, still(wide), heights, rim=False)]
        end = full
        if overflows:
            end = rng.uniform(0.88, 0.98)
            for side in (-1, 1):
                edge = x + side * (wide / 2 + 0.035)
                fall: Track = ((full, 0.0), (full + 0.12, tall))
                top: Track = tuple((t, floor - tall + h / 2) for t, h in fall)
                actors.append(Actor("box", liquid, still(edge), top, still(0.05), fall, rim=False))
            puddle: Track = ((full + 0.06, 0.0), (end, wide + rng.uniform(0.25, 0.4)))
            actors.append(Actor("round", liquid, still(x), still(floor + 0.04), puddle,
                                still(0.10), rim=False))
        return Scene(actors, [Event("overflowing" if overflows else "filling",
                                    full if overflows else start, end)])
    return script


def _poking(collapses: bool) -> Script:
    def script(rng: Random) -> Scene:
        count, size = rng.choice((3, 4)), rng.uniform(0.13, 0.16)
        x, floor = rng.uniform(-0.10, 0.10), rng.uniform(0.30, 0.36)
        side = rng.choice((-1, 1))
        poke = rng.uniform(0.35, 0.55)
        touch = x + side * (size / 2 + 0.17)
        stick_y = floor - size * (count - 0.5)
        away = touch + side * 0.35
        stick = Actor("box", ((0.0, _tinted(rng, (215, 205, 190))),),
                      ((poke - 0.20, away), (poke, touch), (poke + 0.15, away)), still(stick_y),
                      still(0.30), still(0.05), role="prop")
        blocks = []
        for level in range(count):
            y = floor - size * (level + 0.5)
            lean = 0.0 if level == 0 else level / (count - 1)
            tracks: tuple[Track, Track, Track]
            if collapses and level:
                done = poke + rng.uniform(0.16, 0.28)
                slide = -side * (rng.uniform(0.14, 0.20) * level - 0.02)
                tracks = (((poke, x), (done, x + slide)),
                          ((poke + 0.03, y), (done, floor - size / 2)),
                          ((poke, 0.0), (done, -side * rng.uniform(0.2, 0.5))))
            else:
                push = -side * rng.uniform(0.02, 0.04) * lean
                tracks = (((poke, x), (poke + 0.08, x + push), (poke + 0.2, x)), still(y),
                          still(0.0))
            blocks.append(Actor("square", _paint(rng), tracks[0], tracks[1], still(size * 1.1),
                                still(size * 1.1), tracks[2]))
        return Scene([*blocks, stick],
                     [Event("collapsing" if collapses else "poking", poke, poke + 0.25)])
    return script


def _mostly(main: Colour, other: Colour, name: str) -> Script:
    """Things that come and go; five or six share the main colour, two the other."""
    def script(rng: Random) -> Scene:
        colours = [main] * rng.choice((5, 6)) + [other] * 2
        rng.shuffle(colours)
        actors = []
        for i, colour in enumerate(colours):
            begin = 0.82 * i / (len(colours) - 1) + rng.uniform(-0.04, 0.04)
            end, size = begin + rng.uniform(0.18, 0.26), rng.uniform(0.15, 0.22)
            extent: Track = ((begin - 0.05, 0.0), (begin + 0.02, size), (end - 0.02, size),
                             (end + 0.05, 0.0))
            actors.append(_thing(rng, rng.uniform(-0.36, 0.36), rng.uniform(-0.36, 0.36),
                                 size=extent, colour=((0.0, _tinted(rng, colour)),)))
        return Scene(actors, [Event(name, 0.0, 1.0)])
    return script


@dataclass(frozen=True)
class Category:
    name: str
    group: str
    script: Script


TABLE: tuple[Category, ...] = (
    Category("Moving something to the left", "motion", _moving((-1, 0))),
    Category("Moving something to the right", "motion", _moving((1, 0))),
    Category("Moving something up", "motion", _moving((0, -1))),
    Category("Moving something down", "motion", _moving((0, 1))),
    Category("Turning something around", "motion", _turning),
    Category("Something coming nearer", "motion", _resizing(3.0)),
    Category("Something moving away", "motion", _resizing(-3.0)),
    Category("Moving something and something closer to each other", "interaction",
             _two_things("approach")),
    Category("Moving something and something away from each other", "interaction",
             _two_things("part")),
    Category("Moving something and something so they pass each other", "interaction",
             _two_things("pass")),
    Category("Moving something and something so they collide", "interaction",
             _two_things("collide")),
    Category("Moving something left, then back to the right", "order", _moving_and_back(-1)),
    Category("Moving something right, then back to the left", "order", _moving_and_back(1)),
    Category("Something turning red, then blue", "order",
             _turning_colours(RED, BLUE, ("red", "blue"))),
    Category("Something turning blue, then red", "order",
             _turning_colours(BLUE, RED, ("blue", "red"))),
    Category("Covering something, then uncovering it", "order", _covering(True)),
    Category("Uncovering something, then covering it again", "order", _covering(False)),
    Category("Something growing, then shrinking back", "order", _resizing_and_back(True)),
    Category("Something shrinking, then growing back", "order", _resizing_and_back(False)),
    Category("Filling something until it overflows", "state", _filling(True)),
    Category("Filling something, but stopping short", "state", _filling(False)),
    Category("Poking a stack of something so it collapses", "state", _poking(True)),
    Category("Poking a stack of something so it stays standing", "state", _poking(False)),
    Category("Showing things, most of them yellow", "scene", _mostly(YELLOW, GREEN, "yellow")),
    Category("Showing things, most of them green", "scene", _mostly(GREEN, YELLOW, "green")),
)


@dataclass(frozen=True)
class Mirror:
    """Two classes that show the same two events in opposite orders.

    turned_by: rearrangements that turn a video of one class into one of the other, first the one
    that leaves everything else within the distribution of the scripts, if there is one. kept_by:
    rearrangements that keep the class. Each is the text of a change of `dsanet_core.whatif`.

    In three pairs the object changes from state A to B and back to A. The events are symmetric in
    time, so that such a video in reverse is A, B, A again: of the same class. Its snippets in
    reverse order, each with its own frames in order, show the events in the other order with the
    rests between them unchanged, a video of neither class. Its two halves swapped are B, A, B, a
    video of the other class: the cut is between the events, in state B, and the halves meet in
    state A.
    In the colour pair the object takes one colour, then the other: in reverse it is a video of the
    other class, as with its halves swapped; reversed snippets would show each colour disappear
    before it appears.
    After a swap the events are at 0.2 and 0.8 of the video instead of 0.3 and 0.7, and background
    and light jump at the cut; reversal in time keeps both within the distribution of the scripts.
    """

    categories: tuple[str, str]
    turned_by: tuple[str, ...]
    kept_by: tuple[str, ...] = ()


_THERE_AND_BACK = (
    ("Moving something left, then back to the right",
     "Moving something right, then back to the left"),
    ("Covering something, then uncovering it", "Uncovering something, then covering it again"),
    ("Something growing, then shrinking back", "Something shrinking, then growing back"),
)  # fmt: skip
_COLOURS = ("Something turning red, then blue", "Something turning blue, then red")

MIRRORS: tuple[Mirror, ...] = (
    *(Mirror(pair, ("swap_halves",), ("reverse_time",)) for pair in _THERE_AND_BACK),
    Mirror(_COLOURS, ("reverse_time", "swap_halves")),
)
MIRROR_OF: dict[str, str] = {
    one: other
    for mirror in MIRRORS
    for one, other in (mirror.categories, mirror.categories[::-1])
}
"""The opposite class of each class of the order group."""
