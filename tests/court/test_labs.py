import numpy as np

from vglib.court import judge, labs, turning


def test_a_case_shows_its_numbers_only_when_asked():
    lab = labs.judge_lab()
    hidden = lab.figure
    lines = [trace for trace in hidden.data if trace.type == "scatter"]
    assert len(lines) == 4
    assert all(len(trace.x) == 0 or not np.isfinite(trace.y).any() for trace in lines)
    assert labs.HIDDEN in {note.text for note in hidden.layout.annotations}
    shown = lab.set(show=True).figure
    lines = [trace for trace in shown.data if trace.type == "scatter"]
    assert all(np.isfinite(trace.y).any() for trace in lines)
    assert labs.HIDDEN not in {note.text for note in shown.layout.annotations}


def test_votes_are_registered():
    lab = labs.judge_lab().set(vote="refuted").register()
    assert judge.score(lab.registered).startswith("1 case, ")


def test_the_lead_changes_sign_with_the_rate():
    lab = labs.turning_lab()
    leads = [lab.set(rate=f"{rate:g}").result.lead for rate in turning.RATES]
    assert max(leads) > 0.5
    assert min(leads) < -0.5
    assert abs(lab.preset("the grid").result.lead) < 0.1
