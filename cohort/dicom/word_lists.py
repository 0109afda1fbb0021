"""Words of headers in the languages and abbreviations of scanners around the world.

A list holds words separated by spaces. In a word `_` stands for a space or nothing, `*` at an end for any
letters or
digits, `#` for a number, `##` for one of two digits or more, `$` for the end of the text. Words are compared in
lower
case, without accents.
"""

from __future__ import annotations

LUMBAR = """
*lumb* *lomb* lws lwk lss lsp lspine ls_spine l_spine l_sp l_wirbel* *lenden* lende lendryg* lanneranka lendrygg*
l#_s# t12_s# th12_s# d12_s# l1_l5 cls col_l rachis_l
lendewervel* laenderyg* lænderyg* landrygg* l_s_spine ls ls_pater* odc_ls *ledzw* *lędźw* *bedern* *agyeki*
bel_omurga*
lomber* *поясн* *крестц* *попереков* *лумбал* пкоп поп *οσφυ* ομσσ cstl *腰* *요추*
"""
"""The lumbar spine, alone or with its neighbors."""

WHOLE_SPINE = """
whole_spine total_spine full_spine entire_spine ganze_wirbel* ganz_ws gws rachis_entier rachis_complet
toute_la_colonne
columna_completa columna_total columna_entera coluna_total coluna_completa coluna_inteira colonna_intera
rachide_intero rachide_completo rachide_in_toto gesamtwirbel* pan_spine caly_kregoslup cały_kręgosłup cela_pater*
helrygg* *весь_позвоночник* *전척추* neuro_axis *scolio* *skolio* *全脊* ctl ctls c_t_l t_l_spine tl_spine
"""

OTHER_REGIONS = """
*cervi* cerv cwk cwz hws hwk c_spine c_sp csp hals *halswirbel* nackryg* nakke* halsryg* col_c rachis_c servikal
boyun
kaularanka* nyaki *szyjn* *krcni* *шейн* *ший* шоп гоп *вратн* *αυχεν* αμσσ *颈椎* *頸椎* *頚椎* *경추*
*thorac* *thorak* *torac* *torak* thor th_spine ct_spine *dorsal* *dorsales* bws bwk twk t_spine tsp d_spine dsp
*brustwirbel*
rachis_d brystryg* brostrygg* hati *piersiow* *hrudni* *груд* *θωρακ* *胸椎* *흉추*
brain *cerebr* *crani* schadel* kopf head hersenen tete cabeza testa cabeca hjerne* mozg* orbit* pituitar*
hypophys*
iac face skull neck cerveau crane encephal* cervello glowa głowa mozek hlava beyin *головн* *脑* *頭部* *뇌*
knee* knie* genou* rodilla* ginocchi* joelho* kolan* shoulder* schulter* epaule* hombro* spalla* ombro* hip hips
huft*
hanche* cadera* anca quadril ankle* sprunggelenk* cheville* tobillo* caviglia foot feet fuss pied pie hand hands
wrist*
handgelenk* poignet* muneca* polso elbow* ellbogen* coude* codo gomito thigh* oberschenkel* femur tibia calf
extremit*
koleno terd diz kna *колен* *плеч* *膝* *무릎* *肩*
abdom* liver leber foie higado fegato kidney* niere* renal mrcp pancrea* prostat* uter* rectum rektum breast*
mamma* brust chest cardiac heart herz coeur tmj *肝*
"""
"""Other parts of the spine and of the body."""

POSITIONS = """
head_first feet_first foot_first hands_up arms_up knee_up knees_up neck_coil head_coil head_neck_coil body_coil
abdom*_coil chest_coil chest_sat abdom*_sat dorsal_decub* decub*_dorsal
"""
"""Words of position and coils, in which parts of the body are named that are not shown."""

ASIDE = {
    "localizer": """
        *localiz* *localis* *lokaliz* *lokalis* lokator* localizador* locator* loc locs lok mp_loc *scout*
        *survey* surview*
        *topogram* topo scano *scanogram* *ubersicht* *uebersicht* oversikt* oversigt* reperage* centrage* centrat*
        planung*
        planowan* plan_scan* posdisp* posizion* pilot* pozicion* sucher kilavuz* kılavuz* paikannus* kisero*
        attekinto*
        *обзор* *локал* *скаут* *топограмм* *разметк* *ανιχνευτ* *定位* *位置決め*
        *スカウト* *ローカライザ* *ロケータ* *로컬라이* *스카우트*
        3_plane* 3_pl three_plane tri_plan* 3_ebenen aahead* aaspine* aascout* smart_brain wstepn*
    """,
    "calibration": """
        calib* kalibr* asset_cal* ref_scan reference_scan coil_sens* coil_survey sense_ref b#_map shim*
        noise_scan prescan*
        field_map gre_field*
    """,
    "diffusion": """
        *diffus* *difus* *difuz* *difüz* *dyfuz* dwi dti dwibs edwi* dw_ssh* ivim ep2d* epi_diff* resolve
        zoomit* diff tensor*
        muse tracew trace b0 b## b_value* dw_epi *диффуз* дви *弥散* *扩散* *拡散* *확산*
    """,
    "map": """
        adc eadc dadc fa_map colfa t#_map* t#_star_map* r#_map* r#_star_map* mapit map maps mapa* carto* kart*
        *metabol*
        fat_fraction fatfrac pdff water_fraction ttp mtt cbv cbf ktrans parametric* *relaxometr* cartigram t#_rho
        average_dc r#_star
        t#_calc t#_fit
        symri qalas magic
    """,
    "perfusion": "*perfus* dce dsc pwi asl twist grasp",
    "spectroscopy": "*spectroscop* *spektroskop* mrs csi svs",
    "myelogram": "*myelogr* *mielogr* myelo myelo# mielo myel mrm myur *миелогр* *ミエロ* *水成像*",
    "angiogram": "*angio* mra mrv tof venogr* inhance*",
    "projection": "mip mips minip vrt cpr pjn collapse* curved_mpr 3d_vr kymogram",
    "subtraction": "*subtra* *substra* *soustra* *sustra* *sottraz* sub$ subs$ sub_t1 *вычит* *减影*",
    "screen capture": """
        screen_save* screen_shot* screen_cap* *captur* *bildschirm* dose_report* presentation* annotated*
        printed* key_image* snapshot docuscan saved saved_* screens *截图* *截屏*
    """,
    "phase image": "phase_map phase_image pha",
    "flow image": "csf_flow* phase_contrast* flow_quant* liquorfluss*",
}  # fmt: skip
"""What an image that words name so is; none of these is a view to grade."""

NOT_ASIDE = "deep_resolve* *angioma *angiomas *angiomat* *angiome *angiomes *angiom *angiomi"
"""Words that hold one of `ASIDE` and mean something else: a reconstruction of any image, and a finding."""

ASIDE_ALONE = {
    "localizer": """
        plan$ plans$ loca locali loki 3_plan 3_plans fast_view quick_view auto_align* aa_spine
        smart_exam* reference$ 위치 3_plane$ isocent*
    """,
    "calibration": "cal$ ref$ refs$ noise$ shimming",
    "map": "ff$ r#$",
    "flow image": "flow$ lcs_flow",
    "phase image": "phase$",
    "spectroscopy": "spectro spektro press$ steam$",
    "screen capture": """
        result$ results$ *report$ dose summary* *summary$ processed_images exam_card* ecran screen$ fused$ fusion$
    """,
    "projection": "vr$",
}  # fmt: skip
"""Words that say so only where no contrast is named: "T2 SAG REF" is an image like others, and "REF" is none."""

CONTRAST_AGENT = """
*gadolin* gadov* dotarem* magnev* multihan* prohan* omnisc* clarisc* gd gado km kma ce c+ +c +_c contrast contraste
kontrast* post postcon* post_kon* post_contr* mdc civ iv+ inj inject* inyec* apres_inj* pogad* posgd gad dota*
iv ivkm contr contrastad* enhanced po_kontr* po_podaniu nach_gabe +k k+ ку *после* *조영* c_c pos$
*с_контр* c_контр* *增强* *造影*
"""
NO_CONTRAST_AGENT = """
pre precontr* *kontrastsiz* bez nativ nativo native no non none without w_o wo ohne sans sin senza sem before vor
avant uten utan u_kontrast* o_km km- post_op* postop* post_fusion post_surg* post_lami* post_proc* *脊髓造影*
"""
"""Words that say that no agent was given, or that explain another one of `CONTRAST_AGENT`."""

FAT_SATURATED = """
fs fs# fatsat* fat_sat* fat_sup* fett_sat* fett_sup* spir spair chess sat_fat satgr* dfs we wfs wats proset*
grasa_supr* supr*_grasa sup_grasa fsat f_s t1_sat qfs qfat* fettgesatt* *fettunter* fettsup* *压脂* *抑脂* *脂肪抑制*
*жироподав* подав*_жир* sat*_gras* sat*_grais* sat*_de_grais* sat*_de_gras* supr*_de_gras* suppr*_grais*
suppr*_de_grais* sopp*_gras* sat*_gord* sup*_gord* sup*_de_gord* yag_bask* sans_graisse ohne_fett sin_grasa sem_gordura
"""
INVERSION = "*stir* *tirm* short_tau_inv* short_ti_inv*"
DIXON = "*dixon* *mdix* dix ideal flex lava wfi wfs fat_sep*"
DIXON_PARTS = {
    "fat": "f fat fett grasa graisse grasso fat_only fatimage fat_image",
    "opposed-phase": "op opp oppos* out out_of_phase out_phase outphase op_phase opposition_de_phase",
    "in-phase": "in ip in_phase inphase en_phase",
    "water": "w water wasser agua eau acqua water_only waterimage water_image",
}
NAMED_PARTS = {
    "fat": "fat_only fat_image graisse",
    "opposed-phase": "out_of_phase out_phase opp_phase opposed_phase opposition_de_phase",
    "in-phase": "in_phase en_phase",
    "water": "water_only water_image eau",
}
"""Words at the end of a description that name a Dixon part also where no word of the sequence stands."""

GRADIENT_ECHO = "t2_star* medic merge m_ffe mffe ffe t2_ffe* t2_me* gre fl2d fl3d flash hemo* swi swan"
"""T2* is no T2: discs, cord and fluid look otherwise."""
