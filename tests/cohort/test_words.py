from __future__ import annotations

import pytest

from lsdc.cohort.dicom.words import (
    aside_of,
    has_contrast_agent,
    is_fat_saturated,
    is_gradient_echo,
    is_inversion,
    plain_words,
    region_of,
    region_of_body_part,
)


@pytest.mark.parametrize(
    ("region", "texts"),
    [
        ("lumbar", "LWS sag t2|T2 SAG L-SPINE|rachis lombaire T2|columna lumbar|腰椎 T2 SAG|Поясничный отдел"),
        ("lumbar", "T2 SAG L1-S1"),
        ("lumbar", "SAG T2 T-L SPINE|thoracolumbar|T2 SAG WHOLE SPINE COMPOSED|Ganze Wirbelsäule|kręgosłup lędźwiowy"),
        ("other", "T2 SAG C-SPINE|Wirbelsäule HWS|columna cervical|rachis cervical|颈椎|경추|BWS t2 sag|T SPINE SAG"),
        ("other", "MR KNEE|Schädel nativ|kolano T1|шейный отдел|sag thoracic|colonna dorsale|Hüfte cor"),
        ("", "t2_tse_sag_384_p2|SAG T2 FRFSE|Sagittal T2/STIR|Axial T2|rl t2|hippo|"),
    ],
)  # fmt: skip
def test_regions_in_many_languages(region: str, texts: str) -> None:
    for text in texts.split("|"):
        assert region_of(text) == region, text


def test_codes_of_body_parts() -> None:
    assert region_of_body_part("LSPINE") == region_of_body_part("LUMBAR SPINE") == "lumbar"
    assert region_of_body_part("CSPINE") == region_of_body_part("KNEE") == "other"
    assert region_of_body_part("SPINE") == region_of_body_part("ABDOMEN") == region_of_body_part("") == ""


@pytest.mark.parametrize(
    "text",
    ["T2 3D SPINE SAG", "SAG T2 ASSET", "T2 sag head first", "FEET FIRST T2", "T2 NECK COIL", "T2 sag chest sat",
     "SAG T2 DYN", "t2_tse_sag_DeepResolve", "T2 SAG deep resolve boost", "T2 SAG hemangioma", "T2 Hämangiom L3",
     "T2 AX 5 PL", "L3 B1", "T2 sub L5", "sag t2 rotated", "T2 bladder"],
)  # fmt: skip
def test_ordinary_words_are_not_taken_for_kinds_or_parts(text: str) -> None:
    assert region_of(text) == "" and aside_of(text) == ""


@pytest.mark.parametrize("text", ["T2* SAG MEDIC", "AX T2* MERGE", "T2_FFE sag", "t2star", "T2 * gre"])
def test_gradient_echoes(text: str) -> None:
    assert is_gradient_echo(text) and not is_gradient_echo("t2_tse_sag")


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("localizer", "Loc|3-PLANE LOC|Localizador|localizer|Repérage|SCOUT|Survey|定位像|Übersicht|AAhead_scout"),
        ("localizer", "plan scan|SmartBrain|PosDisp: [3] t2|обзорная|T2 sag 3 pl"),
        ("diffusion", "ep2d_diff_tra_b0_800|DWI b1000|SAG B800|sagittal t2 trace|Diffusion"),
        ("map", "ADC|t2_map|Metabolite Maps|T2* map"),
        ("perfusion", "Perfusion|DCE sag"),
        ("projection", "MIP_t2"),
        ("myelogram", "T2 myelo|MR Myelographie"),
        ("subtraction", "T1 SAG SUB|Subtraction|SOUSTRACTION|SUSTRACCION"),
        ("localizer", "Lokátor|планировка локал|ローカライザ|Uebersicht|Oversikt|Kılavuz|scout"),
        ("diffusion", "ДВИ|弥散|dyfuzja|difuze|DIFUSION T2 SAG|DW_SSh"),
        ("map", "Mapa T2|Cartographie T2|CARTIGRAM|relaxometry|T1rho"),
        ("screen capture", "Screen Save|Bildschirmfoto|SAVED IMAGES|截图|Exam Summary|REPORT|Results|Fusion"),
        ("localizer", "SCANO|Centratura|LOCA SAG|PLAN|3 plan|QuickScout|FastView|AutoAlign Spine|SmartExam|위치"),
        ("map", "Average DC|FF|R2Star|T1 rho"),
        ("subtraction", "Substraccion|sub T1"),
        ("projection", "3D VR|Curved MPR|PJN:T2|COLLAPSED"),
        ("calibration", "CAL|Ref|noise"),
        ("flow image", "LCS FLOW|flow"),
        ("spectroscopy", "SPECTRO"),
        ("", "T2 SAG FLOW COMP|T2 sag ref|T2 SAG post fusion|T1 SAG PLAN|SAG FSE FLOW COMP|planar T2|T2 SAG Press"),
        ("", "t2_tse_sag|T2W_TSE_TRA|AX T2 OBL|t2_space_sag|t1_tse_sag_isometric|t2_tse_sag p2 S2|T2 SAG (B)|local"),
    ],
)  # fmt: skip
def test_kinds_in_many_languages(kind: str, texts: str) -> None:
    for text in texts.split("|"):
        assert aside_of(text) == kind, text


@pytest.mark.parametrize(
    "text",
    [
        "T1 SAG FS POST GD",
        "T1 sag +C",
        "t1_tse_sag_KM",
        "Sag T1 post",
        "t1 fs Gd",
        "T1 c+",
        "T1 SAG C/C",
        "T1 SAG IVKM",
        "T1 SAG c контрастом",
        "T1 SAG CONTRASTADO",
        "T1 SAG K+",
        "T1 SAG PÓS",
    ],
)
def test_contrast_agents(text: str) -> None:
    assert has_contrast_agent(text)


@pytest.mark.parametrize(
    "text",
    [
        "t1 sag pre gd",
        "T1 SAG W/O CONTRAST",
        "T1 ohne KM",
        "posterior T1",
        "T1 post op",
        "",
        "T1 SAG S/C",
        "T1 SAG KONTRASTSIZ",
        "T1 SAG BEZ KONTRASTU",
        "T1 SAG sem contraste",
        "T1 SAG 平扫",
    ],
)
def test_no_contrast_agent(text: str) -> None:
    assert not has_contrast_agent(text)


@pytest.mark.parametrize(
    "text",
    ["SAT GRASA", "SATURATION DE GRAISSE", "SOPPRESSIONE GRASSO", "SAT GORDURA", "SUPRESSAO GORDURA", "YAĞ BASKILI",
     "mit Fettunterdrückung", "с подавлением жира", "QFATSAT", "脂肪抑制"],
)  # fmt: skip
def test_fat_saturation_in_many_languages(text: str) -> None:
    assert is_fat_saturated(f"T1 SAG {text}")


def test_fat_saturation_and_inversion() -> None:
    assert (
        is_fat_saturated("t2_tse_fs_sag") and is_fat_saturated("T2 FatSat") and is_fat_saturated("T2 SPAIR")
    )
    assert not is_fat_saturated("t2_tse_sag") and not is_fat_saturated("FSE T2")
    assert is_inversion("SAG STIR") and is_inversion("t2_tirm_sag") and not is_inversion("t2 sag")


def test_only_the_beginning_of_long_text_is_read() -> None:
    assert plain_words("a" * 10**6) == "a" * 500
    assert plain_words(None) == ""
