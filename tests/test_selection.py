"""Rivals of PMI: closed forms for counts, axioms for attributions, one list of candidates."""

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient, IntegratedGradients
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.feature_selection import chi2
from sklearn.metrics import mutual_info_score, roc_auc_score
from toys import make_toy, open_study

from steu.evaluation.remainder import lexical_remainder
from steu.models.inference import predict
from steu.selection.attribution import (
    attributions,
    gradient_scores,
    integrated_gradient_scores,
    midpoints,
)
from steu.selection.counts import count_tokens
from steu.selection.ranking import (
    SELECTORS,
    matched_tokens,
    overlap,
    pmi_and_rivals,
    rank_by_score,
    score_tokens,
)
from steu.selection.scores import (
    chi2_scores,
    log_odds_scores,
    mutual_information_scores,
    pmi_scores,
    tfidf_scores,
)

BY_COUNTS = [log_odds_scores, chi2_scores, tfidf_scores, mutual_information_scores]


@pytest.fixture
def counts():
    """Counts of 40 notes and 12 tokens; token 0 is the class's, 1 its absence's, 11 never seen."""
    generator = np.random.default_rng(3)
    forget = np.arange(40) < 15
    rate = np.tile(generator.uniform(0.2, 3, 12), (40, 1))
    rate[forget, 0] *= 6
    rate[forget, 1] /= 6
    rate[:, 11] = 0
    return sparse.csr_matrix(generator.poisson(rate)), forget


@pytest.fixture(scope="module", params=["random-bert", "random-distilbert"])
def toy(request, tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("encoded"), backbone=request.param)


def cue(toy):
    return toy.tokenizer.convert_tokens_to_ids("insulin")


def carriers(toy, n=20):
    return toy.train[toy.targets[toy.train, 0] == 1][:n]


def logit(toy, rows):
    return predict(toy.model, toy.notes, rows, precision="fp32")[:, 0]


def test_log_odds_are_the_closed_form():
    # forget (3, 1), others (1, 3), prior the sum of both (4, 4), so 7:5 against 5:7
    scores = log_odds_scores(sparse.csr_matrix([[3, 1, 0], [1, 3, 0]]), np.array([True, False]))
    z = 2 * np.log(7 / 5) / np.sqrt(1 / 7 + 1 / 5)
    assert scores == pytest.approx([z, -z, 0])


def test_log_odds_of_tokens_that_are_independent_of_the_class_are_zero():
    table = sparse.csr_matrix([[2, 6, 4], [1, 3, 2]])
    for scale in (0.01, 1.0, 100.0):
        scores = log_odds_scores(table, np.array([True, False]), prior_scale=scale)
        assert scores == pytest.approx(np.zeros(3), abs=1e-12)


def test_log_odds_trust_a_frequent_token_more_than_a_rare_one_of_the_same_ratio():
    table = sparse.csr_matrix([[4, 400, 1000], [1, 100, 1000]])
    rare, frequent, _ = log_odds_scores(table, np.array([True, False]))
    assert 0 < rare < frequent


def test_chi2_is_that_of_scikit_learn_with_a_sign(counts):
    table, forget = counts
    scores, statistic = chi2_scores(table, forget), chi2(table, forget)[0]
    np.testing.assert_allclose(abs(scores[:11]), statistic[:11])
    assert scores[0] > 0 > scores[1]
    assert np.isnan(statistic[11]) and scores[11] == 0


def test_tfidf_is_the_difference_of_two_centroids(counts):
    table, forget = counts
    dense = TfidfTransformer(sublinear_tf=True).fit_transform(table).toarray()
    expected = dense[forget].mean(axis=0) - dense[~forget].mean(axis=0)
    np.testing.assert_allclose(tfidf_scores(table, forget), expected, atol=1e-12)


def test_mutual_information_is_that_of_scikit_learn_in_bits_with_a_sign(counts):
    table, forget = counts
    scores, present = mutual_information_scores(table, forget), table.toarray() > 0
    expected = [mutual_info_score(forget, column) / np.log(2) for column in present.T]
    np.testing.assert_allclose(abs(scores), expected, atol=1e-12)
    leans = present[forget].mean(axis=0) - present[~forget].mean(axis=0)
    np.testing.assert_array_equal(np.sign(scores)[leans != 0], np.sign(leans)[leans != 0])


def test_mutual_information_of_the_class_itself_is_its_entropy():
    forget = np.array([True, False, False, False])
    table = sparse.csr_matrix(np.column_stack([forget, ~forget]).astype(int))
    entropy = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    scores = mutual_information_scores(table, forget)
    assert scores == pytest.approx([entropy, -entropy])


@pytest.mark.parametrize("score", [log_odds_scores, tfidf_scores, mutual_information_scores])
def test_the_absence_of_the_class_scores_the_opposite(counts, score):
    table, forget = counts
    np.testing.assert_allclose(score(table, ~forget), -score(table, forget), atol=1e-12)


@pytest.mark.parametrize("score", BY_COUNTS)
def test_what_cannot_be_compared_is_refused(score):
    table = sparse.csr_matrix([[1, 2], [2, 1]])
    with pytest.raises(ValueError, match="found 2 with and 0 without: choose another label"):
        score(table, np.array([True, True]))
    with pytest.raises(ValueError, match=r"must be bool of shape \(2,\); found int64 \(2,\)"):
        score(table, np.array([1, 0]))


def test_gradient_times_embedding_is_the_slope_along_the_embeddings(toy):
    rows, step = carriers(toy, 6), 1e-2
    table = toy.model.get_input_embeddings()
    moved = []
    for factor in (1 + step, 1 - step):
        handle = table.register_forward_hook(lambda m, i, out, factor=factor: factor * out)
        moved.append(logit(toy, rows))
        handle.remove()
    slope = (moved[0] - moved[1]) / (2 * step)
    shares = attributions(toy.task(), rows)
    np.testing.assert_allclose([share.sum() for share in shares], slope, rtol=0.02, atol=0.02)


def test_integrated_gradients_are_complete(toy):
    rows = carriers(toy, 8)
    handle = toy.model.get_input_embeddings().register_forward_hook(lambda m, i, out: 0 * out)
    start = logit(toy, rows)
    handle.remove()
    wanted = logit(toy, rows) - start
    gaps = []
    for n_steps in (2, 500):
        points = midpoints(n_steps)
        shares = attributions(toy.task(), rows, points=points)
        gaps.append(max(abs(np.array([share.sum() for share in shares]) - wanted)))
    assert abs(wanted).mean() > 0.5  # there is something to explain
    assert gaps[1] < 0.01 < gaps[0]


@pytest.mark.parametrize("n_steps", [1, 8])
def test_attributions_are_those_of_captum(toy, n_steps):
    model, table = toy.model.eval(), toy.model.get_input_embeddings()
    index = carriers(toy, 4)
    points = midpoints(n_steps) if n_steps > 1 else (1.0,)
    ours = attributions(toy.task(), index, points=points)

    def forward(embedded, mask):
        return model(inputs_embeds=embedded, attention_mask=mask).logits[:, 0]

    ids, mask = toy.notes.batch(index)
    embedded = table(ids).detach().requires_grad_()
    if n_steps > 1:
        captum = IntegratedGradients(forward).attribute(
            embedded, additional_forward_args=mask, n_steps=n_steps, method="riemann_middle"
        )
    else:
        captum = InputXGradient(forward).attribute(embedded, additional_forward_args=mask)
    for share, theirs in zip(ours, captum.sum(dim=-1).detach().numpy(), strict=True):
        np.testing.assert_allclose(share, theirs[: len(share)], rtol=1e-3, atol=1e-5)


def test_attributions_do_not_depend_on_the_batch(toy):
    rows = carriers(toy)[::-1]
    together = attributions(toy.task(), rows)
    alone = attributions(toy.task(), rows, batch_size=1)
    assert [len(share) for share in together] == toy.notes.lengths[rows].tolist()
    np.testing.assert_allclose(np.concatenate(together), np.concatenate(alone), atol=1e-4)


def test_scores_add_up_to_what_the_notes_are_told(toy):
    rows = carriers(toy)
    scores = gradient_scores(toy.task(), rows)
    shares = attributions(toy.task(), rows)
    assert scores.shape == (toy.notes.vocab_size,)
    assert scores.sum() == pytest.approx(np.mean([share.sum() for share in shares]))


def test_the_model_is_left_as_it_was(toy, monkeypatch):
    model, rows = toy.model.train(), carriers(toy)
    model.zero_grad(set_to_none=True)  # what fine-tuning left
    before = logit(toy, rows)
    gradient_scores(toy.task(), rows)
    monkeypatch.setattr(model, "forward", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gradient_scores(toy.task(), rows)
    monkeypatch.undo()
    assert model.training and all(p.requires_grad and p.grad is None for p in model.parameters())
    assert not model.get_input_embeddings()._forward_hooks
    assert torch.is_grad_enabled()
    np.testing.assert_array_equal(logit(toy, rows), before)
    model.eval()


def test_a_cap_draws_some_notes_by_seed_and_no_more_than_there_are(toy):
    rows = carriers(toy)
    some, same, other = (
        gradient_scores(toy.task(), rows, n_notes=4, seed=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(some, same)
    assert (some != other).any()
    every = gradient_scores(toy.task(), rows, n_notes=len(rows) + 1)
    np.testing.assert_array_equal(every, gradient_scores(toy.task(), rows))


def test_both_attributions_put_the_cue_of_the_class_first(toy):
    counts, rows = count_tokens(toy.notes)[toy.train], carriers(toy)
    for score in (gradient_scores, integrated_gradient_scores):
        scores = score(toy.task(), rows)
        assert rank_by_score(scores, counts)[0] == cue(toy)


def test_what_cannot_be_attributed_is_refused(toy):
    with pytest.raises(ValueError, match="no training note carries the class"):
        gradient_scores(toy.task(), np.array([], dtype=int))
    with pytest.raises(ValueError, match="n_notes must be positive; found 0"):
        gradient_scores(toy.task(), carriers(toy), n_notes=0)
    with pytest.raises(ValueError, match="n_steps must be positive; found 0"):
        integrated_gradient_scores(toy.task(), carriers(toy), n_steps=0)


@pytest.mark.parametrize("selector", SELECTORS)
def test_the_notes_tell_the_class_until_the_chosen_tokens_are_struck_out(study_folder, selector):
    study = open_study(study_folder)
    counts = count_tokens(study.notes)
    train, test, forget = study.train, study.test, study.is_forget
    scores = score_tokens(study, selector, counts=counts[train])
    chosen = rank_by_score(scores, counts[train])[:1]
    before, after = (
        roc_auc_score(
            forget[test], lexical_remainder(counts[train], forget[train], counts[test], struck)
        )
        for struck in (chosen[:0], chosen)
    )
    assert before > 0.95
    assert (after < 0.7) == (selector != "random")


def test_pmi_is_the_score_of_its_own_page_and_random_follows_the_seed(study_folder):
    study = open_study(study_folder)
    counts = count_tokens(study.notes)[study.train]
    expected = pmi_scores(counts, study.is_forget[study.train])
    np.testing.assert_array_equal(score_tokens(study, "pmi", counts=counts), expected)
    first, again, other = (
        score_tokens(study, "random", counts=counts, seed=seed) for seed in (0, 0, 1)
    )
    assert (first == again).all() and (first != other).any()


def test_a_selector_that_does_not_exist_is_named_with_its_neighbour():
    with pytest.raises(ValueError, match=r"no selector 'chi_2'; did you mean chi2\?"):
        pmi_and_rivals(["log_odds", "chi_2"])
    with pytest.raises(ValueError, match=r"at least one rival of PMI; found \['pmi'\]: known are"):
        pmi_and_rivals(["pmi"])
    assert pmi_and_rivals(["random", "chi2", "random"]) == ["pmi", "chi2", "random"]


def test_overlap_is_the_share_in_common():
    chosen = {"a": np.array([1, 2, 3, 4]), "b": np.array([4, 3, 9, 8]), "c": np.array([5, 6, 7, 0])}
    shares = overlap(chosen)
    assert shares.to_numpy().tolist() == [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]
    assert list(shares.index) == list(shares.columns) == ["a", "b", "c"]


def test_random_tokens_are_as_frequent_as_the_best_and_none_of_them():
    generator = np.random.default_rng(0)
    ranked = generator.permutation(1000)
    occurrences = np.sort(generator.lognormal(3, 2, 1000).astype(int) + 5)[::-1]
    drawn = matched_tokens(ranked, 50, occurrences, seed=1)
    assert len(set(drawn)) == 50 and not set(drawn) & set(ranked[:50])
    frequency = dict(zip(ranked, occurrences, strict=True))
    other = np.log(occurrences[50:])
    matched = matched_tokens(ranked[::-1], 50, occurrences[::-1], seed=1)
    rare, found = (np.log([frequency[t] for t in ids]) for ids in (ranked[::-1][:50], matched))
    assert abs(found.mean() - rare.mean()) < 0.3 < abs(other.mean() - rare.mean())
    assert not np.array_equal(drawn, matched_tokens(ranked, 50, occurrences, seed=2))
    assert np.array_equal(drawn, matched_tokens(ranked, 50, occurrences, seed=1))
    two = [matched_tokens(ranked, 50, occurrences, seed=(seed, 0)) for seed in (0, 1)]
    assert not np.array_equal(*two)  # a training seed draws its own
    with pytest.raises(ValueError, match="found 400 beside 600: lower n_tokens"):
        matched_tokens(ranked, 600, occurrences, seed=0)
