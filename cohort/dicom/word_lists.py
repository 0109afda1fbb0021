"""Words of headers in the languages and abbreviations of scanners around the world.

A list holds words separated by spaces. In a word `_` stands for a space or nothing, `*` at an end for any letters or
digits, `#` for a number. Words are compared in lower case, without accents.
"""

from __future__ import annotations

LUMBAR = """
*lumb* *lomb* lws lwk lss lsp lspine ls_spine l_spine l_sp l_wirbel* *lenden* lende lendryg* lanneranka lendrygg*
l#_s# t12_s# th12_s# d12_s# l1_l5 cls col_l rachis_l
*ledzw* *bedern* *agyeki* bel_omurga* *поясн* *крестц* *попереков* *οσφυ* *腰* *요추*
"""
"""The lumbar spine, alone or with its neighbors."""

WHOLE_SPINE = """
whole_spine total_spine full_spine entire_spine ganze_wirbel* ganz_ws gws rachis_entier rachis_complet toute_la_colonne
columna_completa columna_total columna_entera coluna_total coluna_completa coluna_inteira colonna_intera
rachide_intero rachide_completo rachide_in_toto neuro_axis *scolio* *skolio* *全脊* ctl ctls c_t_l t_l_spine tl_spine
"""

OTHER_REGIONS = """
*cervi* hws hwk c_spine c_sp csp hals *halswirbel* nackryg* nakke* halsrygg* col_c rachis_c
*szyjn* *krcni* *шейн* *ший* *颈椎* *頸椎* *경추*
*thorac* *thorak* *torac* *torak* *dorsal* *dorsales* bws bwk t_spine tsp d_spine dsp *brustwirbel* rachis_d
*piersiow* *hrudni* *груд* *胸椎* *흉추*
brain *cerebr* *crani* schadel* kopf head hersenen tete cabeza testa cabeca hjerne* mozg* orbit* pituitar* hypophys*
iac face skull neck *головн* *脑* *頭部* *뇌*
knee* knie* genou* rodilla* ginocchi* joelho* kolan* shoulder* schulter* epaule* hombro* spalla* ombro* hip hips huft*
hanche* cadera* anca quadril ankle* sprunggelenk* cheville* tobillo* caviglia foot feet fuss pied pie hand hands wrist*
handgelenk* poignet* muneca* polso elbow* ellbogen* coude* codo gomito thigh* oberschenkel* femur tibia calf extremit*
*колен* *плеч* *膝* *肩*
abdom* liver leber foie higado fegato kidney* niere* renal mrcp pancrea* prostat* bladder uter* rectum rektum breast*
mamma* brust chest cardiac heart herz coeur tmj *肝*
"""
"""Other parts of the spine and of the body."""

ASIDE = {
    "localizer": """
        *localiz* *localis* *lokaliz* *lokalis* localizador* locator* loc locs lok scout* *survey* surview* *topogram*
        *scanogram* *ubersicht* reperage* planung* plan_scan* posdisp* pilot* pozicion* *обзор* *локал* *定位*
        *位置決め* #_plane_loc #_plane #_plan #_pl three_plane tri_plan* #_ebenen aahead* aaspine* aascout*
        smart_brain wstepn*
    """,
    "calibration": """
        calib* kalibr* asset ref_scan reference_scan coil_sens* coil_survey sense_ref b#_map shim* noise_scan prescan*
        field_map gre_field*
    """,
    "diffusion": """
        *diffus* dwi dti dwibs ivim ep2d* epi_diff* resolve* zoomit* diff tensor* tracew trace b# b_value* dw_epi
    """,
    "map": """
        adc eadc dadc fa_map colfa t#_map* t#_star_map* r#_map* r#_star_map* mapit map maps *metabol* fat_fraction pdff
        water_fraction ttp mtt cbv cbf ktrans parametric*
    """,
    "perfusion": "*perfus* dce dsc pwi asl twist dyn dynam* grasp",
    "spectroscopy": "*spectroscop* *spektroskop* mrs csi svs",
    "myelogram": "*myelogr* *mielogr* myelo myelo# mielo myel *миелогр* *ミエロ*",
    "angiogram": "*angio* mra mrv tof venogr* inhance*",
    "projection": "mip mips minip vrt rotat*",
    "subtraction": "*subtra* sub subs",
    "screen capture": """
        screen_save* screen_shot* screen_cap* *captur* *bildschirm* dose_report* presentation* annotated* printed*
    """,
    "phase image": "phase_map phase_image pha",
    "flow image": "csf_flow* phase_contrast* flow_quant* liquorfluss*",
}  # fmt: skip
"""What an image that words name so is; none of these is a view to grade."""

CONTRAST_AGENT = """
*gadolin* gadov* dotarem* magnev* multihan* prohan* omnisc* clarisc* gd gado km kma ce c+ +c +_c contrast contraste
kontrast* post postcon* post_kon* post_contr* mdc civ iv+ inj inject* inyec* apres_inj* pogad* posgd
*с_контр* *增强* *造影*
"""
NO_CONTRAST_AGENT = """
pre precontr* nativ nativo native no non none without w_o wo ohne sans sin senza sem before vor avant post_op* postop*
"""
"""Words that say that no agent was given, or that explain another one of `CONTRAST_AGENT`."""

FAT_SATURATED = """
fs fs# fatsat* fat_sat* fat_sup* fett_sat* fett_sup* spir spair chess sat_fat satgr* dfs we wfs proset* grasa_supr*
"""
INVERSION = "*stir* *tirm* short_tau_inv* short_ti_inv*"
DIXON = "*dixon* ideal flex lava wfi"
DIXON_PARTS = {
    "fat": "f fat fett grasa graisse grasso fat_only fatimage fat_image",
    "opposed-phase": "op opp oppos* out out_of_phase out_phase outphase op_phase",
    "in-phase": "in ip in_phase inphase",
    "water": "w water wasser agua eau acqua water_only waterimage water_image",
}
