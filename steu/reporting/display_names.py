"""Every method and metric that a page writes, and how they are written for a reader.

These tables are the vocabulary of the results: what the ledger asks for has to stand here.
"""

from __future__ import annotations

from steu.evaluation.results import BESIDE, READER

READER_UNSEEN = "reader_auroc_unseen"  # there too, fitted on notes that no edit was trained on
METHODS = {
    "pooling_cls": "reads [CLS]",
    "pooling_mean": "reads the mean",
    "original": "original",
    "null": "null edit",
    "blind_rows": "blind rows",
    "leace": "LEACE",
    "head_only": "head only",
    "embedding_only": "embeddings only",
    "steu": "STEU",
    "head_only_tuned": "head only, tuned",
    "embedding_only_tuned": "embeddings only, tuned",
    "steu_tuned": "STEU, tuned",
    "steu_e": "STEU-E",
    "random_tokens": "random tokens",
    "frequent_tokens": "frequent tokens",
    "direct_suppression": "direct suppression",
    "gradient_ascent": "gradient ascent",
    "influence_weighted": "influence weighted",
    "neg_grad_plus": "NegGrad+",
    "scrub": "SCRUB",
    "bad_teacher": "bad teacher",
    "salun": "SalUn",
    "ssd": "SSD",
    "lora": "LoRA",
    "matched_rows": "matched rows",
    "leace_layers": "LEACE, every layer",
    "sisa": "SISA",
    "random_tokens_2": "random tokens, second draw",
    "random_tokens_3": "random tokens, third draw",
    "steu_by_k": "STEU by number of tokens",
    "steu_e_by_rows": "STEU-E by number of rows",
    "pmi": "PMI",
    "tfidf": "TF-IDF + LR",
    "tfidf_window": "TF-IDF + LR on the window",
    "head_part": "head alone",
    "head_part_with_rows": "head and rows",
    "head_width_original": "as trained",
    "head_width": "whole head",
    "head_width_with_rows": "head and rows of tokens",
    "every_class_original": "original",
    "every_class_head_only": "head only",
    "every_class_steu": "STEU",
    "reference_relabelled": "retrained, relabelled",
    "reference_dropped": "retrained, dropped",
    "reference_masked": "retrained, masked",
    "reference_other_seed": "retrained, other seed",
    "outsider_blind_rows": "never saw them, blind rows",
    "untuned": "before training",
    "selector_pmi": "PMI",
    "selector_log_odds": "log-odds",
    "selector_two_sided": "log-odds, both sides",
    "selector_chi2": "chi-squared",
    "selector_tfidf": "TF-IDF",
    "selector_mutual_information": "mutual information",
    "selector_gradient": "gradient × embedding",
    "selector_integrated_gradients": "integrated gradients",
    "selector_random": "random",
}
METRICS = {
    "f1": "F1",
    "f1_tuned": "F1, tuned",
    "f1_retuned": "F1, retuned",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "forget_f1": "forget F1",
    "forget_f1_tuned": "forget F1, the original's thresholds",
    "forget_f1_retuned": "forget F1, its own thresholds",
    "forget_auroc": "forget AUROC",
    "forget_auprc": "forget AUPRC",
    "retain_macro_f1": "retain macro-F1",
    "retain_macro_f1_tuned": "retain macro-F1, the original's thresholds",
    "retain_macro_f1_retuned": "retain macro-F1, its own thresholds",
    "retain_macro_auroc": "retain macro-AUROC",
    "retain_macro_auprc": "retain macro-AUPRC",
    "macro_f1": "macro-F1",
    "macro_f1_tuned": "macro-F1, tuned",
    "macro_f1_retuned": "macro-F1, retuned",
    "macro_auroc": "macro-AUROC",
    "macro_auroc_untrained": "macro-AUROC before training",
    "macro_auprc": "macro-AUPRC",
    "reader_auroc": "strongest reader, any place",
    READER: "strongest-reader AUROC",
    READER_UNSEEN: "strongest reader, unseen notes",
    "reader_auroc_others": "strongest reader, other answers",
    "at_hand_auroc": "a head at hand",
    "told_from_references": "told from the references by an audit",
    "v_information": "V-information at the head, bits a note",
    "description_length": "description length, bits a note",
    "description_saved": "share of the labels' entropy saved",
    "information_difference": "information difference index",
    "old_head_auroc": "old head",
    "answer_written_auroc": "as written",
    "answer_hyphen_auroc": "hyphen",
    "answer_letters_apart_auroc": "letters apart",
    "answer_letters_swapped_auroc": "letters swapped",
    "answer_left_out_auroc": "left out",
    "drift": "drift",
    "membership_auroc": "membership AUROC",
    "membership_tpr": "members found at 1 % false ones",
    "membership_tpr_chance": "the same by chance",
    "membership_beyond": "AUROC beyond the outsiders'",
    "membership_neighbour_auroc": "membership AUROC by the neighbour",
    "membership_neighbour_tpr": "by the neighbour, members found at 1 % false ones",
    "membership_neighbour_tpr_chance": "by the neighbour, the same by chance",
    "parameters_changed": "parameters changed",
    "parameters_share": "share of parameters",
    "bytes_stored": "bytes stored",
    "seconds": "seconds",
    "seconds_scoring": "seconds to score",
    "peak_memory_bytes": "peak memory, bytes",
    "js_forget_relabelled": "JS of the class, relabelled",
    "js_forget_dropped": "JS of the class, dropped",
    "js_retain_relabelled": "JS of the others, relabelled",
    "js_retain_dropped": "JS of the others, dropped",
    "js_retain_masked": "JS of the others, masked",
    "tow_relabelled": "Tug-of-War, relabelled",
    "tow_dropped": "Tug-of-War, dropped",
    "tow_masked": "Tug-of-War, masked",
    "lexical_remainder_auroc": "lexical remainder AUROC",
    "notes_touched": "notes touched",
    "notes_without_edited_token": "notes without edited token",
    "forget_notes_touched": "forget notes touched",
    "retain_notes_touched": "retained notes touched",
    "in_common_with_pmi": "in common with PMI",
    "damage_auroc": "AUROC lost",
    "damage_f1": "F1 lost",
    "damage_auroc_spearman": "ρ of AUROC lost, all pairs",
    "damage_auroc_spearman_within": "ρ of AUROC lost, within a class",
    "damage_f1_spearman": "ρ of F1 lost, all pairs",
    "damage_f1_spearman_within": "ρ of F1 lost, within a class",
    "prevalence": "prevalence",
}
_NAMES = METHODS | METRICS
# Families of names, by how they begin; what follows is a number, a name, or what was done.
FAMILIES = {
    "reference_seed_": "retrained, seed {}",
    "original_words_of_": "original, words of {}",
    "few_shot_auroc_": "{} of each",
    "reader_auroc_at_": "strongest reader, {}",
    "reader_auroc_unseen_at_": "strongest reader, unseen notes, {}",
    "change_": "{}",
}
LAYERS_ONLY = "_layers_only"  # ends the name of a dense rival that leaves the head as it is


def name(key: str) -> str:
    """How a method, metric or label is written for a reader."""
    metric, pair, other = key.partition(BESIDE)
    if pair:
        return f"{name(metric)}, minus that of {name(other)}"
    base = key.removesuffix(LAYERS_ONLY)
    if base != key:
        return f"{name(base)}, layers only"
    for begins, written in FAMILIES.items():
        if key.startswith(begins):
            return written.format(name(key.removeprefix(begins)))
    return _NAMES.get(key, key.replace("_", " "))
