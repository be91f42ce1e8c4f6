"""Silhouettes for sport, play and electronics. Each takes a scene, its main material and that of its trimmings."""

import math

from canvas import Outline, Point, Scene, ball, box, curve, flat, minus, oval, poly, puff, ring, stroke, union, within
from textures import Paint, metal, smooth

_BLACK, _STEEL = smooth("#26262a"), metal("#b9bcc2")


def _spoke(centre: Point, angle: float, reach: float) -> Point:
    return centre[0] + reach * math.cos(math.radians(angle)), centre[1] + reach * math.sin(math.radians(angle))


def _pentagon(centre: Point, radius: float, turn: float) -> Outline:
    return poly([_spoke(centre, turn + 72 * i, radius) for i in range(5)], 0.4)


def football(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a ball of hexagons with pentagons of trim."""
    scene.stand((50, 90), 28, 4)
    globe = oval((50, 50), 40)
    patches = [_pentagon((50, 50), 12, -90)]
    seams = []
    for i in range(5):
        angle = -90 + 72 * i
        patches.append(_pentagon(_spoke((50, 50), angle, 37), 11, angle + 180))
        seams.append(stroke([_spoke((50, 50), angle, 11), _spoke((50, 50), angle, 27)], 0.9))
        left, right = _spoke((50, 50), angle + 24, 27.5), _spoke((50, 50), angle + 48, 27.5)
        seams += [stroke([left, right], 0.9), stroke([left, _spoke((50, 50), angle + 17, 33)], 0.9),
                  stroke([right, _spoke((50, 50), angle + 55, 33)], 0.9)]  # fmt: skip
    scene.fill(globe, main, ball(0.2))
    scene.mark(within(union(*seams), globe), strength=0.5)
    lit = within(union(*patches), globe)
    scene.fill(lit, trim, lambda _: ball(0.2)(globe))


def basketball(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a ball with the four bent seams, drawn in trim."""
    scene.stand((50, 90), 28, 4)
    globe = oval((50, 50), 40)
    seams = union(
        stroke([(8, 44), (30, 52), (60, 52), (92, 42)], 1.4),
        stroke([(46, 9), (54, 30), (54, 65), (48, 92)], 1.4),
        stroke([(22, 18), (38, 34), (40, 62), (24, 82)], 1.4),
        stroke([(76, 18), (66, 34), (68, 62), (78, 80)], 1.4),
    )
    scene.fill(globe, main, ball(0.2))
    scene.fill(within(seams, globe), trim, flat)


def bike(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a bicycle from the side: frame of main, saddle and grips of trim."""
    back, front, crank, seat, head = (22.0, 66.0), (78.0, 66.0), (46.0, 67.0), (39.0, 38.0), (69.0, 36.0)
    scene.stand((22, 87), 12, 1.5)
    scene.stand((78, 87), 12, 1.5)
    spokes = [stroke([hub, _spoke(hub, 20 * i, 18)], 0.35) for hub in (back, front) for i in range(18)]
    scene.fill(union(*spokes), _STEEL, flat)
    scene.fill(union(ring(back, 20, width=2.2), ring(front, 20, width=2.2)), _BLACK)
    scene.fill(union(ring(back, 17.9, width=0.7), ring(front, 17.9, width=0.7)), _STEEL)
    tubes = [(crank, seat), (crank, head), (seat, head), (back, crank), (back, seat)]
    scene.fill(union(*(stroke(tube, 2.4) for tube in tubes), stroke([(67, 30), head, (71, 48), front], 2.4)), main)
    scene.fill(union(stroke([seat, (37, 30)], 1.6), stroke([(67, 31), (66, 24)], 1.8)), _STEEL)
    scene.fill(union(ring(crank, 6, width=1.6), stroke([crank, (52, 77)], 1.6), stroke([crank, (40, 57)], 1.6)), _STEEL)
    scene.fill(union(stroke([(49, 78), (55, 78)], 1.8), stroke([(37, 56), (43, 56)], 1.8)), _BLACK)
    scene.fill(curve([(28, 27), (40, 28), (46, 30), (38, 32), (29, 31)]), trim)
    scene.fill(stroke([(66, 24), (74, 22), (80, 26), (77, 32)], 2.4), trim)


def tent(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a ridge tent with an open door; trim is the fly's edge."""
    scene.stand((50, 84), 46, 4)
    scene.fill(union(stroke([(30, 30), (3, 84)], 0.6), stroke([(70, 25), (97, 80)], 0.6)), _BLACK, flat)
    scene.fill(poly([(32, 22), (72, 17), (92, 78), (58, 85)], 0.6), main)
    scene.fill(poly([(32, 22), (58, 85), (8, 85)], 0.6), main, puff(0.7))
    scene.mark(poly([(32, 22), (58, 85), (8, 85)], 0.6), "white", 0.14)
    scene.fill(poly([(33, 30), (47, 85), (21, 85)], 0.4), smooth("#3b3a38"), flat)
    scene.fill(poly([(32, 28), (58, 85), (50, 85), (39, 62)]), trim)
    scene.fill(stroke([(32, 22), (72, 17)], 1.8), trim)
    scene.mark(union(stroke([(45, 20.5), (71, 82)], 0.5), stroke([(59, 18.7), (82, 80)], 0.5)), strength=0.3)


def teddy(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a sitting bear; trim is muzzle, paws and belly."""
    scene.stand((50, 92), 36, 4)
    for side in (1, -1):
        scene.fill(oval((50 + 20 * side, 15), 9), main)
        scene.fill(oval((50 + 20 * side, 16), 5.5), trim)
        scene.fill(curve([(50 + 17 * side, 50), (50 + 32 * side, 58), (50 + 37 * side, 72), (50 + 28 * side, 74),
                          (50 + 16 * side, 64)]), main)  # fmt: skip
    scene.fill(oval((50, 68), 24, 24), main, puff(1.2))
    scene.fill(oval((50, 69), 14, 15), trim)
    for side in (1, -1):
        scene.fill(oval((50 + 25 * side, 83), 13, 11), main, puff(1.2))
        scene.fill(oval((50 + 27 * side, 84), 7.5, 7), trim)
    scene.fill(oval((50, 30), 25, 22), main, puff(1.2))
    scene.fill(oval((50, 38), 11.5, 9), trim, puff(1.2))
    scene.fill(union(oval((40, 27), 2.5), oval((60, 27), 2.5), oval((50, 34.5), 4, 2.8)), _BLACK, puff(1, 1.5))
    scene.mark(union(stroke([(50, 36), (50, 41)], 0.7), stroke([(45, 41), (50, 43.2), (55, 41)], 0.9)), strength=0.7)


def headphones(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw over-ear cups on a band; trim is the padding."""
    scene.fill(stroke([(17, 62), (18, 34), (34, 13), (50, 9), (66, 13), (82, 34), (83, 62)], 5.5), main, puff(1.2, 0.5))
    scene.fill(stroke([(30, 19.5), (40, 14.8), (50, 13.5), (60, 14.8), (70, 19.5)], 4), trim)
    for side in (1, -1):
        scene.fill(box((50 + 33 * side - 2, 44), (50 + 33 * side + 2, 56), 1), _STEEL)
        scene.fill(oval((50 + 25 * side, 68), 8, 20), trim, puff(1.2))
        scene.fill(oval((50 + 34 * side, 68), 10.5, 21), main, puff(1.2, 0.7))
        scene.mark(ring((50 + 35 * side, 68), 6.5, 15, width=0.8), "white", 0.4)


def phone_case(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw the back of a slim case with the cut-out for the lenses; trim is its rim."""
    scene.fill(union(box((74.5, 28), (77, 40), 1), box((23, 24), (26, 31), 1), box((23, 34), (26, 44), 1)), trim)
    scene.fill(box((24.5, 4), (75.5, 96), 9), trim, puff(0.8))
    scene.fill(box((26, 5.5), (74, 94.5), 8), main, puff(0.6, 0.1))
    scene.fill(box((29.5, 9), (51, 31), 6), smooth("#2b2c31"), puff(0.6))
    for x, y in ((36, 15.5), (36, 25), (45, 20)):
        scene.fill(minus(oval((x, y), 4.2), oval((x, y), 3.2)), _STEEL, flat)
        scene.fill(oval((x, y), 3.2), smooth("#101325"), ball(0.8))
    scene.mark(oval((45.5, 12.5), 1.2), "white", 0.8)


def speaker(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a box loudspeaker with two cones; trim is the cones."""
    scene.stand((50, 95), 28)
    scene.fill(box((24, 5), (76, 95), 3), main, puff(0.9))
    for y, radius in ((29, 13), (66, 20)):
        scene.fill(oval((50, y), radius), _STEEL, puff(0.8))
        scene.fill(oval((50, y), radius - 1.6), trim, puff(-1.2))
        scene.fill(oval((50, y), radius * 0.36), trim, ball(0.5))
