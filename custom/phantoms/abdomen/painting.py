"""The order in which a patient is painted: trunk, bowel, organs from the diaphragm down, the great vessels last."""

from __future__ import annotations

import numpy as np

from . import trunk as body
from .anatomy import ORGAN_ID, Anatomy, Kidney
from .canvas import Canvas
from .ripples import Ripples
from .shapes import Shape, round_common
from .tissue import FAT, GAS, LUNG, Tissue
from .trunk import Trunk

SHELL_MM = 2.2  # of compact bone
DIAPHRAGM_MM = 3.2


def paint_patient(canvas: Canvas, anatomy: Anatomy, tissue: Tissue, pockets: Ripples) -> None:
    """Paint everything but tumours; `pockets` decides where the bowel holds gas."""
    paint_trunk(canvas, anatomy.trunk, tissue)
    paint_skeleton(canvas, anatomy.trunk, tissue)
    paint_bowel(canvas, anatomy, tissue, pockets)
    paint_peritoneal_organs(canvas, anatomy, tissue)
    paint_retroperitoneal_organs(canvas, anatomy, tissue)


def paint_trunk(canvas: Canvas, trunk: Trunk, tissue: Tissue) -> None:
    """Skin, fat, muscular wall, lungs above the diaphragm; keeps the room that is left for the organs."""
    everything = (slice(None),) * 3
    x, y, z = canvas.points
    wall = trunk.wall_distance(x, y)
    skin = wall - trunk.fat_thickness(y)
    wall += np.float32(0.5) * canvas.uneven_mm
    muscle = tissue.hu["muscle"]
    canvas.paint(everything, canvas.edge(skin), 10.0)
    canvas.paint(everything, canvas.edge(skin + 2), FAT)
    canvas.paint(everything, canvas.edge(wall), muscle)
    cavity = wall + np.float32(trunk.wall_mm)
    canvas.paint(everything, canvas.edge(cavity), FAT)
    canvas.room = cavity + 1
    if z.max() > 0:
        above = trunk.diaphragm_distance(x, y, z) + canvas.uneven_mm
        canvas.room = np.maximum(canvas.room, above + np.float32(DIAPHRAGM_MM / 2))
        lungs = np.maximum(np.maximum(cavity + 1, -above), 24 - np.abs(x + 4))
        canvas.paint(everything, canvas.edge(lungs), LUNG + 8 * canvas.texture)
        sheet = np.maximum(np.abs(above) - np.float32(DIAPHRAGM_MM / 2), cavity)
        canvas.paint(everything, canvas.edge(sheet), muscle)
        canvas.cover(body.heart(), tissue.hu["heart"])
    for shape in body.back_muscles():
        canvas.cover(shape, muscle)


def paint_skeleton(canvas: Canvas, trunk: Trunk, tissue: Tissue) -> None:
    """Vertebrae with discs and canal, ribs, the crests of the pelvis."""
    box = canvas.box(np.array([-42.0, -112.0, -500.0]), np.array([42.0, -10.0, 500.0]))
    if box is not None:
        x, y, z = (p[box] for p in canvas.points)
        behind = y - body.spine_y(z)
        number = z * np.float32(1 / body.VERTEBRA_MM) + np.float32(trunk.disc_phase)
        from_disc = number - np.floor(number)
        paint_bone(canvas, box, body.arches_distance(x, behind, from_disc), tissue)
        column = body.bodies_distance(x, behind)
        disc = np.float32(0.13 * body.VERTEBRA_MM) - body.VERTEBRA_MM * (0.5 - np.abs(from_disc - np.float32(0.5)))
        paint_bone(canvas, box, np.maximum(column, disc), tissue)
        canvas.paint(box, canvas.edge(np.maximum(column, -disc)), tissue.hu["disc"])
        canvas.cover(body.spinal_canal(), 25.0, uneven=0)
    everything = (slice(None),) * 3
    x, y, z = canvas.points
    if z.max() > -40:
        wall = trunk.wall_distance(x, y)
        paint_bone(canvas, everything, body.ribs_distance(wall, y, z, trunk.rib_phase, trunk.wall_mm), tissue)
    for wing in body.iliac_wings():
        found = canvas.sample(wing)
        if found is not None:
            paint_bone(canvas, *found, tissue)


def paint_bone(canvas: Canvas, box: tuple[slice, slice, slice], distance: np.ndarray, tissue: Tissue) -> None:
    """A compact shell around marrow."""
    canvas.paint(box, canvas.edge(distance), tissue.hu["cortex"])
    canvas.paint(box, canvas.edge(distance + np.float32(SHELL_MM)), tissue.hu["marrow"] + 6 * canvas.texture[box])


def paint_bowel(canvas: Canvas, anatomy: Anatomy, tissue: Tissue, pockets: Ripples) -> None:
    """Small bowel and colon: wall, content, and pockets of gas, which rise to the front."""
    gas = pockets(canvas.axes) + np.float32(0.02) * canvas.points[1]
    for loops, content, threshold in (
        (anatomy.small_bowel, tissue.hu["bowel_content"], 1.9),
        (anatomy.colon, tissue.hu["stool"], 0.6),
    ):
        for loop in loops:
            found = canvas.cover(loop, tissue.hu["bowel_wall"], rim_mm=1.5, uneven=1.5, in_room=True)
            if found is not None:
                box, distance = found
                inner = distance + np.float32(2.5)
                canvas.paint(box, canvas.edge(inner), content + 4 * canvas.texture[box])
                pocket = 8 * (np.float32(threshold) - gas[box])
                canvas.paint(box, canvas.edge(np.maximum(inner + 1, pocket)), GAS)


def paint_peritoneal_organs(canvas: Canvas, anatomy: Anatomy, tissue: Tissue) -> None:
    """Liver with its veins, spleen, stomach, gallbladder."""
    organs, hu = anatomy.organs, tissue.hu
    liver = canvas.cover(organs["liver"], hu["liver"], ORGAN_ID["liver"], in_room=True)
    if liver is not None:
        for veins, name in ((anatomy.hepatic_veins, "hepatic_vein"), (anatomy.portal_veins, "portal_vein")):
            for vein in veins:
                paint_within(canvas, vein, ORGAN_ID["liver"], hu[name])
    canvas.cover(organs["spleen"], hu["spleen"], ORGAN_ID["spleen"], rim_mm=1.5, in_room=True)
    canvas.cover(organs["gallbladder"], hu["gallbladder"], ORGAN_ID["gallbladder"], in_room=True)
    stomach = canvas.cover(organs["stomach"], hu["stomach_wall"], ORGAN_ID["stomach"], rim_mm=1.5, in_room=True)
    if stomach is not None:
        box, distance = stomach
        lumen = distance + 4
        canvas.paint(box, canvas.edge(lumen), hu["stomach_content"])
        gas = np.maximum(lumen, np.float32(anatomy.gas_y) - canvas.points[1][box])
        canvas.paint(box, canvas.edge(gas), GAS)


def paint_retroperitoneal_organs(canvas: Canvas, anatomy: Anatomy, tissue: Tissue) -> None:
    """Kidneys in their fat, pancreas and duodenum, adrenals, the great vessels and the oesophagus."""
    organs, hu = anatomy.organs, tissue.hu
    for side in ("right_kidney", "left_kidney"):
        paint_kidney(canvas, getattr(anatomy, side), ORGAN_ID[side], anatomy.perirenal_fat_mm, tissue)
    for vein in anatomy.renal_veins:
        canvas.add_between(vein, hu["inferior_vena_cava"])
    for vein in anatomy.portal_veins:
        canvas.add_between(vein, hu["portal_vein"])
    for artery in anatomy.arteries:
        canvas.add_between(artery, hu["aorta"])
    canvas.cover(organs["pancreas"], hu["pancreas"], ORGAN_ID["pancreas"], rim_mm=1.0, uneven=1.4)
    duodenum = canvas.cover(organs["duodenum"], hu["duodenum_wall"], ORGAN_ID["duodenum"], rim_mm=0.7)
    if duodenum is not None:
        box, distance = duodenum
        canvas.paint(box, canvas.edge(distance + 4), hu["duodenum_content"])
    for side in ("right_adrenal", "left_adrenal"):
        canvas.cover(organs[side], hu["adrenal"], ORGAN_ID[side], rim_mm=1.5, uneven=0.2)
    for name in ("inferior_vena_cava", "aorta", "oesophagus"):
        canvas.cover(organs[name], hu[name], ORGAN_ID[name], rim_mm=0.7, uneven=0.4)


def paint_kidney(canvas: Canvas, kidney: Kidney, organ: int, fat_mm: float, tissue: Tissue) -> None:
    """Cortex around medulla, the sinus filled with fat and the pelvis; the fat capsule keeps neighbours away."""
    found = canvas.sample(kidney.bean, fat_mm)
    if found is None:
        return
    box, bean = found
    x, y, z = (p[box] for p in canvas.points)
    sinus = kidney.sinus.distance(x, y, z)
    label = canvas.label[box]
    canvas.paint(box, canvas.edge(bean - np.float32(fat_mm)), FAT)
    label[bean < fat_mm] = 0
    parenchyma = round_common([bean, -sinus], 3.0)
    columns = bean + np.float32(8) + np.float32(0.8) * canvas.texture[box]
    medulla = np.clip(0.5 - columns / 5, 0, 1)
    value = tissue.hu["kidney_cortex"] + medulla * (tissue.hu["kidney_medulla"] - tissue.hu["kidney_cortex"])
    canvas.paint(box, canvas.edge(parenchyma), value + canvas.texture[box])
    label[parenchyma < 0] = organ
    pelvis = np.maximum(kidney.pelvis.distance(x, y, z), -parenchyma)
    canvas.paint(box, canvas.edge(pelvis), tissue.hu["fluid"])


def paint_within(canvas: Canvas, shape: Shape, organ: int, value: float) -> None:
    """Paint a shape inside an organ only; the label stays."""
    found = canvas.sample(shape, uneven=0.3)
    if found is not None:
        box, distance = found
        canvas.paint(box, canvas.edge(distance) * (canvas.label[box] == organ), value)
