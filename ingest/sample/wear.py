"""Silhouettes of what is worn or carried. Each takes a scene, its main material and that of its trimmings."""

from collections.abc import Sequence

from canvas import (
    Outline,
    Point,
    Scene,
    ball,
    box,
    curve,
    flat,
    minus,
    mirrored,
    oval,
    poly,
    puff,
    ring,
    stroke,
    tube,
    union,
    within,
)
from textures import Paint, metal, plain, smooth

_STEEL = metal("#b9bcc2")


def _both(points: Sequence[Point], soft: float = 1.0) -> Outline:
    return union(poly(points, soft), poly([(100 - x, y) for x, y in points], soft))


def tee(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw short sleeves, round neck."""
    body = poly(mirrored([(50, 17), (59, 15), (70, 19), (92, 37), (81, 49), (72, 42), (73, 88), (50, 90)]))
    neck = oval((50, 14), 10, 9)
    scene.fill(oval((50, 17), 9.5, 4), trim, flat)
    scene.mark(oval((50, 17), 9.5, 4), strength=0.35)
    scene.fill(minus(body, neck), main)
    scene.fill(within(minus(oval((50, 14), 12, 11.5), neck), body), trim)
    for side in (1, -1):
        scene.mark(stroke([(50 + 20 * side, 21), (50 + 20.5 * side, 31), (50 + 22 * side, 42)], 0.5))
        scene.mark(stroke([(50 + 38.5 * side, 34), (50 + 28 * side, 45.5)], 0.5))
    scene.mark(stroke([(27, 85.5), (50, 87.5), (73, 85.5)], 0.5))


def shirt(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw long sleeves, collar and a row of buttons."""
    scene.fill(_both([(65, 17), (74, 21), (80, 34), (88, 74), (79, 78), (74, 58), (69, 42)]), main)
    scene.mark(_both([(87, 69), (88.5, 75), (79, 78.5), (77.5, 72)], 0.4), strength=0.12)
    scene.fill(poly(mirrored([(50, 16), (58, 14), (69, 18), (73, 32), (72, 82), (62, 89), (50, 90)])), main)
    scene.fill(poly([(42, 13), (58, 13), (50, 25)], 0.5), main, flat)
    scene.mark(poly([(42, 13), (58, 13), (50, 25)], 0.5), strength=0.4)
    scene.fill(_both([(50, 25), (57, 11), (62, 16), (57, 29)], 0.5), main)
    for x in (47.4, 52.6):
        scene.mark(stroke([(x, 27), (x, 88)], 0.4), strength=0.3)
    scene.fill(union(*(oval((50, y), 1.1) for y in range(32, 86, 9))), trim, puff(0.6))
    scene.mark(minus(box((57, 38), (67, 50), 1), box((57.5, 38.5), (66.5, 49.5), 1)), strength=0.35)


def sweater(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a thick jumper with ribbed cuffs, hem and neck."""
    scene.fill(_both([(64, 17), (75, 21), (83, 38), (91, 72), (80, 77), (74, 58), (67, 40)], 1.5), main)
    scene.fill(_both([(91, 71), (92.5, 80), (82, 83), (79.5, 75)]), trim)
    scene.fill(poly(mirrored([(50, 18), (58, 15), (70, 19), (74, 34), (73, 82), (50, 83)]), 1.5), main, puff(1.2))
    scene.fill(poly(mirrored([(50, 81), (73, 80), (71, 89), (50, 90)])), trim)
    scene.fill(oval((50, 17.5), 11, 7), trim)
    scene.fill(oval((50, 15.5), 8, 4), trim, flat)
    scene.mark(oval((50, 15.5), 8, 4), strength=0.5)
    for x in range(28, 73, 3):
        scene.mark(stroke([(x, 82.5), (x, 89)], 0.5), strength=0.22)


def dress(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a sleeveless top, a narrow waist and a wide skirt."""
    top = poly(mirrored([(50, 20), (55, 9), (61, 9), (63, 22), (62, 42), (50, 43)]), 0.6)
    scene.fill(minus(top, poly([(43, 4), (57, 4), (50, 24)])), main)
    scene.fill(poly(mirrored([(50, 41), (61.5, 41), (70, 62), (81, 88), (66, 92), (50, 93)])), main, puff(1.2))
    for foot, knee in ((30, 40), (40, 45.5), (51, 50.5), (62, 55), (72, 61)):
        scene.mark(stroke([(50 + (knee - 50) * 0.8, 47), (knee, 66), (foot, 90)], 1.2), strength=0.16)
    scene.fill(box((38.4, 39.5), (61.6, 44), 1), trim)


def trousers(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw two straight legs, waistband and pockets."""
    legs = poly(mirrored([(50, 10), (67, 10), (70, 32), (68, 94), (54.5, 94), (50.2, 40)]), 0.7)
    scene.fill(legs, main, puff(1.2))
    scene.mark(within(stroke([(67, 17), (61, 24), (60, 14)], 0.6), legs), strength=0.4)
    scene.mark(within(stroke([(33, 17), (39, 24), (40, 14)], 0.6), legs), strength=0.4)
    scene.mark(stroke([(50, 15), (50, 38)], 0.6), strength=0.4)
    scene.mark(stroke([(50, 32), (54, 28), (54.5, 16)], 0.5), strength=0.3)
    scene.fill(box((32.8, 8), (67.2, 15), 1), main)
    scene.mark(stroke([(33, 15), (67, 15)], 0.6), strength=0.35)
    scene.fill(union(*(box((x, 7.5), (x + 1.6, 15.8), 0.4) for x in (37, 61.4))), main)
    scene.fill(oval((50, 11.5), 1.5), trim, puff(0.6))
    scene.mark(union(stroke([(32, 91), (45.5, 91)], 0.5), stroke([(54.5, 91), (68, 91)], 0.5)), strength=0.35)


def beanie(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a knitted hat with a turned-up edge and a bobble."""
    scene.fill(oval((50, 17), 11), trim, puff(1.2))
    scene.fill(curve([(18, 72), (20, 48), (32, 29), (50, 23), (68, 29), (80, 48), (82, 72), (50, 76)]), main, ball(0))
    scene.fill(curve([(14, 66), (50, 63), (86, 66), (87, 80), (50, 86), (13, 80)]), main, puff(1.3))
    for x in range(16, 86, 4):
        scene.mark(stroke([(x, 66), (x, 83)], 0.8), strength=0.2)


def sneaker(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a low lace-up with a thick sole, from the side."""
    scene.stand((51, 77), 42)
    upper = curve([(10, 66), (10, 50), (9, 38), (14, 36), (22, 43), (32, 43), (40, 32), (46, 31), (60, 45), (76, 53),
                   (90, 59), (94, 69), (50, 71), (14, 71)])  # fmt: skip
    scene.fill(upper, main)
    scene.fill(within(upper, curve([(78, 51), (98, 55), (98, 74), (74, 74), (73, 62)])), trim)
    scene.fill(within(upper, poly([(4, 34), (16, 34), (19, 54), (22, 74), (4, 74)])), trim)
    scene.fill(within(upper, poly([(36, 74), (50, 47), (56, 50), (46, 74)])), trim)
    scene.fill(curve([(8, 66), (30, 69), (60, 69), (88, 65), (96, 68), (94, 77), (60, 78), (12, 78), (6, 73)]),
               smooth("#f4f3ef"))  # fmt: skip
    scene.mark(stroke([(9, 72), (50, 73.5), (94, 72)], 0.6), strength=0.25)
    scene.mark(within(upper, curve([(40, 34), (46, 30), (70, 51), (62, 56)])), strength=0.16)
    for step in range(5):
        x, y = 43 + 5.4 * step, 36 + 4 * step
        scene.mark(stroke([(x - 2, y + 4), (x + 4, y + 0.5)], 1.6), strength=0.3)
        scene.fill(stroke([(x - 2, y + 3), (x + 4, y - 0.5)], 1.6), smooth("#fbfbf8"))


def boot(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw an ankle boot with laces and a heel, from the side."""
    scene.stand((52, 89), 38)
    scene.fill(curve([(24, 14), (38, 16), (54, 12), (55, 34), (58, 50), (74, 58), (88, 66), (91, 80), (50, 82),
                      (21, 80), (22, 60), (26, 40)]), main, puff(1.2, 0.15))  # fmt: skip
    scene.fill(curve([(45, 14), (55, 11), (56, 34), (60, 50), (52, 52), (48, 36)]), trim)
    for step in range(6):
        scene.fill(
            stroke([(46.5 + step * 0.9, 19 + step * 6), (56 + step * 0.9, 17 + step * 6)], 1.5), smooth("#d9b98a")
        )
    scene.mark(stroke([(70, 57), (72, 68), (70, 80)], 0.7), strength=0.4)
    scene.mark(stroke([(24, 56), (36, 60), (38, 80)], 0.7), strength=0.4)
    scene.fill(poly([(19, 78), (92, 78), (92, 84), (46, 84), (44, 90), (19, 90)], 0.6), smooth("#2d2926"))


def wellington(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a tall rubber boot, from the side."""
    scene.stand((52, 92), 36)
    shaft = curve([(26, 8), (42, 9), (58, 8), (57, 36), (58, 60), (74, 67), (86, 75), (88, 88), (50, 89), (26, 88),
                   (27, 64), (26, 36)])  # fmt: skip
    shaft = within(shaft, box((0, 9.5), (100, 100), 0))
    scene.fill(shaft, main, puff(1.5, 0.7))
    scene.fill(within(shaft, box((20, 9), (62, 14), 0)), trim)
    scene.fill(within(shaft, curve([(76, 66), (94, 72), (94, 92), (74, 92), (72, 80)])), trim, puff(1, 0.6))
    scene.fill(poly([(25, 86), (89, 86), (89, 91), (52, 91), (49, 94), (25, 94)], 0.5), trim)
    scene.mark(stroke([(29, 58), (40, 63), (56, 60)], 0.8), "white", 0.2)


def pump(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a court shoe with a thin heel, from the side."""
    scene.stand((76, 83), 18, 2)
    scene.stand((17, 84), 6, 2)
    scene.fill(curve([(13, 30), (19, 31), (30, 46), (44, 57), (60, 62), (76, 66), (93, 78), (92, 82), (74, 82),
                      (58, 78), (44, 68), (30, 57), (20, 55), (13, 48)]), main, puff(1.2, 0.8))  # fmt: skip
    scene.fill(poly([(13, 47), (27, 54), (22, 62), (19, 84), (15, 84)], 0.5), main, tube(0.25))
    scene.mark(curve([(17, 34), (30, 48), (44, 59), (56, 63), (44, 62), (30, 53), (20, 46)]), strength=0.5)
    scene.fill(stroke([(21, 56.5), (30, 59), (44, 70), (58, 80), (74, 83), (92, 82.6)], 1.4), trim)


def handbag(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a flap bag with one handle and a clasp."""
    scene.stand((50, 88), 38)
    scene.fill(ring((50, 42), 24, 32, width=4), trim)
    scene.fill(poly(mirrored([(50, 38), (78, 38), (88, 86), (50, 88)]), 2), main, puff(1.2, 0.2))
    scene.fill(poly(mirrored([(50, 37), (79, 37), (82, 56), (68, 64), (50, 66)]), 2), main, puff(1.1, 0.2))
    scene.mark(stroke([(20, 58), (33, 63.5), (50, 64.5), (67, 63.5), (80, 58)], 0.6), strength=0.45)
    scene.fill(box((45, 60), (55, 70), 1.5), metal("#d8b65c"))
    scene.fill(union(oval((28, 41), 2.4), oval((72, 41), 2.4)), metal("#d8b65c"))


def backpack(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw two compartments, a loop on top, straps at the sides."""
    scene.stand((50, 92), 34)
    scene.fill(ring((50, 15), 9, 9, width=3), trim)
    for points in ([(24, 34), (14, 52), (18, 80)], [(76, 34), (86, 52), (82, 80)]):
        scene.fill(stroke(points, 6), trim)
    scene.fill(curve([(50, 11), (68, 15), (77, 32), (79, 84), (70, 92), (30, 92), (21, 84), (23, 32), (32, 15)]), main)
    outer, inner = (
        [(50, 17), (69, 27), (71, 47), (29, 47), (31, 27)],
        [(50, 18), (68, 27.5), (70, 46), (30, 46), (32, 27.5)],
    )
    scene.mark(minus(curve(outer), curve(inner)), strength=0.5)
    scene.fill(box((27, 54), (73, 87), 6), main, puff(1.3))
    scene.fill(box((30, 59), (70, 61.5), 1), trim)
    scene.fill(union(box((66, 59), (69, 66), 1), box((46, 22), (54, 27), 1)), _STEEL)
    scene.fill(union(box((34, 48), (38, 58), 0.5), box((62, 48), (66, 58), 0.5)), trim)


def suitcase(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a hard shell on wheels with its handle drawn out."""
    scene.stand((50, 95), 30)
    scene.fill(minus(box((37, 4), (63, 40), 3), box((40, 7), (60, 40), 2)), _STEEL, tube(0))
    scene.fill(union(oval((31, 92), 4), oval((69, 92), 4)), smooth("#222222"), puff(0.6))
    scene.fill(box((24, 24), (76, 91), 7), main, puff(1.1, 0.3))
    for x in (33, 41.5, 50, 58.5, 67):
        scene.fill(box((x - 1.6, 29), (x + 1.6, 87), 1.6), main, tube(0.15))
    scene.fill(box((43, 22), (57, 26), 2), trim)
    scene.fill(union(*(box((x, y), (x + 7, y + 7), 2) for x in (23, 70) for y in (23, 85))), trim)


def watch(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a round wristwatch; trim is the dial."""
    scene.fill(poly(mirrored([(50, 3), (60, 3), (63, 30), (63, 70), (59, 97), (50, 97)])), main)
    for y in (78, 84, 90):
        scene.mark(oval((50, y), 1.2), strength=0.7)
    scene.mark(union(stroke([(41, 8), (38.5, 30)], 0.5), stroke([(59, 8), (61.5, 30)], 0.5)), "white", 0.35)
    scene.fill(box((75, 47), (81, 53), 1), _STEEL)
    scene.fill(oval((50, 50), 27), _STEEL, puff(1.2, 0.5))
    scene.fill(oval((50, 50), 22), trim, flat)
    marks = [stroke([(50, 31), (50, 34)], 1.2).rotate(30 * hour) for hour in range(12)]
    hands = [stroke([(50, 50), (50, 36)], 1.8).rotate(55), stroke([(50, 50), (50, 32)], 1.3).rotate(-60)]
    scene.fill(union(*marks, *hands, oval((50, 50), 2)), plain("#8f8a80"), flat)
