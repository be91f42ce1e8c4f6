"""Silhouettes for kitchen, living room and garden. Each takes a scene, its main material and that of its trimmings."""

from canvas import (
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
    soften,
    stroke,
    tube,
    union,
    within,
)
from textures import Paint, metal, smooth

_LEGS = smooth("#4a3526")


def mug(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a straight cup with a ring for the fingers; trim is the inside."""
    scene.stand((46, 84), 32)
    scene.fill(ring((71, 52), 20, 20, width=6), main, puff(1.2, 0.5))
    scene.fill(union(box((18, 26), (72, 80), 3), oval((45, 79), 27, 6)), main, tube(0.3))
    scene.fill(oval((45, 26), 27, 7), main, flat)
    scene.fill(oval((45, 26.3), 25, 5.8), trim, flat)
    scene.mark(minus(oval((45, 26.3), 25, 5.8), oval((45, 29.5), 25, 5)), strength=0.22)
    scene.mark(minus(oval((45, 26.3), 25, 5.8), oval((45, 28), 25, 5.4)), strength=0.25)


def pan(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a frying pan seen from above; trim is the handle."""
    scene.fill(stroke([(60, 42), (94, 10)], 6.5), trim, puff(1.2, 0.3))
    scene.mark(oval((91, 13), 1.5), strength=0.7)
    scene.fill(oval((40, 60), 35), main, puff(1.1, 0.4))
    scene.fill(oval((40, 60), 31), main, puff(-0.8))
    scene.mark(oval((40, 60), 31), strength=0.15)
    scene.fill(oval((40, 60), 26), main, flat)
    scene.mark(curve([(20, 52), (34, 38), (40, 40), (24, 58)]), "white", 0.12)
    scene.fill(union(oval((61, 44), 1.3), oval((57, 40), 1.3)), metal("#cccccc"))


def flask(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a slim bottle with a screw cap."""
    scene.stand((50, 93), 20)
    scene.fill(ring((50, 9), 8, 6, width=2.4), trim)
    scene.fill(box((40, 10), (60, 24), 2.5), trim, tube(0.25))
    for y in (14, 17, 20):
        scene.mark(stroke([(40.5, y), (59.5, y)], 0.5), strength=0.3)
    scene.fill(poly(mirrored([(50, 23), (59, 23), (68, 34), (68, 92), (50, 94)]), 1.2), main, tube(0.35))
    scene.mark(stroke([(32.4, 86), (50, 87.4), (67.6, 86)], 0.8), strength=0.3)


def teapot(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a round pot with spout, handle and lid."""
    scene.stand((47, 85), 30)
    scene.fill(ring((77, 53), 18, 20, width=5), main, puff(1.2, 0.5))
    scene.fill(curve([(28, 70), (14, 58), (8, 36), (3, 31), (12, 29), (19, 42), (30, 52)]), main, puff(1.2, 0.5))
    scene.fill(box((34, 78), (62, 85), 2), main, tube(0.2))
    scene.fill(oval((48, 55), 31, 28), main, ball(0.55))
    scene.fill(curve([(31, 31), (40, 25), (48, 23.5), (56, 25), (65, 31), (48, 34)]), trim, puff(1.1, 0.4))
    scene.fill(oval((48, 20), 4.5), trim, ball(0.5))
    scene.mark(stroke([(31, 32), (48, 35), (65, 32)], 0.7), strength=0.4)


def chair(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a dining chair with a barred back; trim is the seat."""
    scene.stand((52, 93), 30)
    scene.fill(union(stroke([(66, 60), (68, 88)], 4), stroke([(34, 60), (33, 88)], 4)), main, puff(1.2))
    posts = union(stroke([(31, 8), (33, 60)], 4.5), stroke([(69, 8), (67, 60)], 4.5))
    bars = union(*(stroke([(x, 14), (x, 52)], 2.6) for x in (41, 50, 59)))
    scene.fill(union(posts, bars, box((29, 7), (71, 15), 3), box((31, 47), (69, 51), 1)), main, puff(1.1))
    scene.fill(union(stroke([(25, 65), (22, 94)], 4.6), stroke([(75, 65), (78, 94)], 4.6)), main, puff(1.2))
    scene.fill(stroke([(24, 80), (76, 80)], 2.4), main)
    scene.fill(poly([(31, 55), (69, 55), (79, 65), (21, 65)], 0.8), trim)
    scene.fill(poly([(21, 64), (79, 64), (79, 68.5), (21, 68.5)], 0.8), main)


def armchair(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a deep seat with round arms; trim is the cushion."""
    scene.stand((50, 92), 42, 4)
    scene.fill(union(*(poly([(x, 84), (x + 4, 84), (x + 3, 93), (x + 1, 93)], 0.3) for x in (17, 79))), _LEGS)
    scene.fill(curve([(24, 22), (34, 13), (50, 11), (66, 13), (76, 22), (78, 60), (50, 66), (22, 60)]), main, puff(1.3))
    scene.fill(box((18, 62), (82, 86), 4), main)
    for left in (8, 76):
        scene.fill(box((left, 43), (left + 16, 86), 8), main, puff(1.3))
    scene.fill(box((23, 55), (77, 70), 6), trim, puff(1.3))
    scene.mark(union(*(oval((x, y), 1) for x, y in ((40, 27), (60, 27), (50, 38), (32, 38), (68, 38)))), strength=0.5)


def lamp(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a table lamp: shade of main, foot of trim."""
    scene.stand((50, 93), 24)
    scene.fill(box((48, 50), (52, 80), 1), metal("#c9b37c"), tube(0.2))
    scene.fill(curve([(50, 60), (60, 68), (62, 80), (50, 86), (38, 80), (40, 68)]), trim, ball(0.4))
    scene.fill(curve([(28, 90), (44, 85), (50, 82), (56, 85), (72, 90), (72, 93), (50, 95), (28, 93)]), trim)
    shade = poly(mirrored([(50, 9), (65, 9), (84, 53), (50, 55)]), 0.8)
    scene.fill(shade, main, tube(0.1))
    scene.mark(within(shade, soften(oval((50, 46), 18, 22), 8)), "#fff3c4", 0.4)
    scene.mark(union(stroke([(35, 10.5), (65, 10.5)], 1), stroke([(17, 52.5), (83, 52.5)], 1)), strength=0.25)


def pot(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a flower pot with a leafy plant; trim is the foliage."""
    scene.stand((50, 94), 26)
    for end, bow in (((18, 34), (30, 40)), ((82, 34), (70, 40)), ((30, 12), (38, 34)), ((70, 12), (62, 34)),
                     ((50, 5), (50, 30)), ((14, 52), (28, 50)), ((86, 52), (72, 50))):  # fmt: skip
        x, y = bow
        lean = 4 if x < 50 else -4
        scene.fill(curve([(50, 60), (x - 5, y + lean), end, (x + 5, y - lean)]), trim, puff(1.4, 0.2))
        scene.mark(stroke([(50, 60), (x, y), end], 0.6), "white", 0.25)
    scene.fill(poly(mirrored([(50, 62), (71, 62), (64, 94), (50, 95)]), 1), main, tube(0.15))
    scene.fill(box((26, 56), (74, 67), 1.5), main, tube(0.2))
    scene.mark(stroke([(27, 67.4), (73, 67.4)], 1), strength=0.3)


def watering_can(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw a body, a long spout with a rose and a bow handle."""
    scene.stand((60, 88), 28)
    scene.fill(ring((66, 46), 27, 32, width=4), trim, puff(1.2, 0.3))
    scene.fill(poly([(40, 80), (14, 34), (18, 31), (44, 60)], 0.6), main, puff(1.2, 0.3))
    scene.fill(poly([(6, 34), (22, 23), (25, 28), (10, 39)], 0.8), trim, puff(1.1, 0.3))
    scene.fill(union(box((37, 48), (83, 86), 2), oval((60, 86), 23, 4)), main, tube(0.3))
    scene.fill(oval((60, 48), 23, 5), main, flat)
    scene.mark(oval((60, 48.4), 21, 4), strength=0.55)
    scene.mark(union(stroke([(37.5, 57), (82.5, 57)], 0.8), stroke([(37.5, 78), (82.5, 78)], 0.8)), strength=0.25)


def umbrella(scene: Scene, main: Paint, trim: Paint) -> None:
    """Draw an open umbrella with its crook below; trim is the crook."""
    scene.fill(stroke([(50, 4), (50, 12)], 1.6), metal("#b9bcc2"))
    scene.fill(box((49, 40), (51, 76), 0.5), metal("#b9bcc2"), tube(0.2))
    scene.fill(stroke([(50, 72), (50, 88), (56, 95), (63, 91), (63, 86)], 3.4), trim, puff(1.2, 0.3))
    scallops = [oval((x, 55), 9.2, 7) for x in (14.4, 32.2, 50, 67.8, 85.6)]
    canopy = minus(within(oval((50, 55), 45, 45), box((0, 0), (100, 55), 0)), *scallops)
    scene.fill(canopy, main, ball(0.15))
    for foot in (23.3, 41.1, 58.9, 76.7):
        scene.mark(stroke([(50, 10), (50 + (foot - 50) * 0.75, 26), (foot, 54)], 0.7), strength=0.4)
