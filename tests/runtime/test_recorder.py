"""What the recorder says of passes: sites, reuse, release, growth, refusals."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from graphlint.runtime.engine import choke_point
from graphlint.trace import Broken

from .recording import Recorded, name_of


def leaf(size: int = 8) -> Tensor:
    return torch.linspace(0.1, 0.9, size).requires_grad_()


# --- verdicts ----------------------------------------------------------------------------------


def test_a_graph_that_nobody_visits_again_is_unneeded() -> None:
    def program() -> None:
        weight = leaf()
        for _ in range(3):
            weight.exp().sin().sum().backward(retain_graph=True)  # kept

    recorded = Recorded(program)
    site = recorded.site("kept")
    assert (site.passes, site.retained_passes, site.reused_passes) == (3, 3, 0)
    assert site.verdict == "unneeded"
    assert site.released.by_drop == 3
    assert site.exclusive_bytes.mean == site.retained_bytes.max == 32
    assert site.held_s.max > 0
    assert site.kind == "backward"
    assert site.function.endswith("program")
    assert recorded.profile.peak_retained_bytes == 32
    assert recorded.codes == [("RG101", "kept")]


def test_a_graph_that_is_visited_again_is_needed() -> None:
    def program() -> None:
        shared = leaf().exp().sin()
        shared.sum().backward(retain_graph=True)  # first
        shared.mean().backward()  # second

    recorded = Recorded(program)
    site = recorded.site("first")
    assert (site.verdict, site.reused_passes) == ("needed", 1)
    assert site.released.by_later_pass == 1
    (by,) = site.reused_by
    assert (name_of(by.filename, by.row), by.passes) == ("second", 1)
    assert recorded.site("second").verdict == "not-retained"
    assert recorded.codes == []


def test_nodes_that_save_nothing_are_no_reuse() -> None:
    def program() -> None:
        shared = leaf() + 1
        shared.exp().sum().backward(retain_graph=True)  # kept
        shared.sum().backward()

    recorded = Recorded(program)
    assert recorded.site("kept").verdict == "unneeded"


def test_parameters_do_not_join_graphs() -> None:
    def program() -> None:
        net = nn.Linear(3, 2)
        first = net(torch.ones(1, 3)).exp().sum()
        first.backward(retain_graph=True)  # kept
        net(torch.zeros(1, 3)).exp().sum().backward()

    assert Recorded(program).site("kept").verdict == "unneeded"


def test_a_loop_that_needs_every_flag_but_the_last() -> None:
    def program() -> None:
        for _ in range(4):
            outputs = leaf().exp()
            for i in range(3):
                outputs[i].backward(retain_graph=True)  # row

    recorded = Recorded(program)
    assert recorded.site("row").verdict == "partly"
    assert recorded.site("row").reused_passes == 8
    assert recorded.codes == [("RG103", "row")]
    (run,) = recorded.trace.runs
    assert [p.reused for p in run.passes] == [True, True, False]


def test_an_open_graph_is_unknown_until_the_program_ends() -> None:
    loss = leaf().exp().sin().sum()

    def program() -> None:
        loss.backward(retain_graph=True)  # kept

    early = Recorded(program, final=False)
    assert early.site("kept").verdict == "unknown"
    assert early.codes == []
    assert early.site("kept").released.still_held == 1
    late = Recorded(program, final=True)
    assert late.site("kept").verdict == "unneeded"


def test_only_executed_nodes_count() -> None:
    def program() -> None:
        first, second = leaf(), leaf()
        left, right = first.exp(), second.exp()
        loss = left.sin().sum() + right.sin().sum()
        loss.backward(retain_graph=True, inputs=[first])  # left
        torch.autograd.grad(loss, [second])

    assert Recorded(program).site("left").verdict == "unneeded"


def test_a_gradient_for_an_inner_tensor_does_not_visit_what_lies_below() -> None:
    def program() -> None:
        inner = leaf().exp()
        loss = inner.sin().sum()
        torch.autograd.grad(loss, inner, retain_graph=True)  # top
        inner.sum().backward()

    assert Recorded(program).site("top").verdict == "unneeded"


def test_differentiating_gradients_needs_create_graph() -> None:
    def program() -> None:
        weight = leaf()
        (grad,) = torch.autograd.grad((weight**2).sum(), weight, create_graph=True)  # made
        grad.pow(3).sum().backward()

    recorded = Recorded(program)
    site = recorded.site("made")
    assert (site.verdict, site.kind) == ("needed", "autograd.grad")
    assert recorded.codes == []


def test_both_flags_are_one_too_many() -> None:
    def program() -> None:
        weight = leaf()
        loss = (weight**3).sum()
        (grad,) = torch.autograd.grad(loss, weight, None, True, create_graph=True)  # both
        grad.sum().backward()

    assert Recorded(program).codes == [("RG104", "both")]


def test_what_a_library_keeps_for_itself_is_no_finding() -> None:
    def program() -> None:
        torch.autograd.functional.hessian(lambda x: x.pow(3).sum(), leaf())  # hessian

    recorded = Recorded(program)
    assert recorded.profile.sites
    assert recorded.codes == []


def test_every_thins_out_bytes_but_not_verdicts() -> None:
    def program() -> None:
        for _ in range(10):
            leaf().exp().sin().sum().backward(retain_graph=True)  # kept

    recorded = Recorded(program, every=5)
    assert recorded.recorder.sites
    record = next(iter(recorded.recorder.sites))
    assert record.exclusive_bytes.count == 2
    assert recorded.site("kept").verdict == "unneeded"
    assert recorded.site("kept").retained_passes == 10


# --- call sites --------------------------------------------------------------------------------


def test_the_row_is_the_first_of_the_call() -> None:
    def program() -> None:
        loss = leaf().exp()
        # fmt: off
        (
            loss  # start
            .sum()
            .backward(
                retain_graph=True,
            )
        )
        # fmt: on

    recorded = Recorded(program)
    site = recorded.site("start")
    assert site.retained_passes == 1
    (run,) = recorded.trace.runs
    span = run.passes[0].site.span
    assert span.column == 13
    assert span.end_row == span.row + 4


def test_columns_count_characters() -> None:
    def program() -> None:
        weight = leaf()
        _ = "größe", weight.exp().sum().backward(retain_graph=True)  # kept

    (run,) = Recorded(program).trace.runs
    assert run.passes[0].site.span.column == 22


backward = torch.autograd.backward
partial = functools.partial(Tensor.backward, retain_graph=True)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda loss: loss.backward(None, True), "backward"),  # call
        (lambda loss: backward(loss, retain_graph=True), "autograd.backward"),  # call
        (lambda loss: backward([loss, loss * 2], None, True), "autograd.backward"),  # call
        (lambda loss: (partial(loss),), "backward"),  # call
        (lambda loss: SCALER.scale(loss).backward(**FLAGS), "backward"),  # call
    ],
)
def test_every_form_of_a_call_is_seen(call: Callable[[Tensor], None], kind: str) -> None:
    site = Recorded(lambda: call(leaf().exp().sum())).site("call")
    assert (site.kind, site.retained_passes) == (kind, 1)


FLAGS = {"retain_graph": True}
SCALER = torch.amp.GradScaler("cpu")


def test_passes_inside_a_pass_belong_to_their_own_code() -> None:
    class Nested(torch.autograd.Function):
        @staticmethod
        def forward(ctx, inputs):
            ctx.save_for_backward(inputs)
            return inputs.exp()

        @staticmethod
        def backward(ctx, grad):
            (inputs,) = ctx.saved_tensors
            with torch.enable_grad():
                again = inputs.detach().requires_grad_()
                (inner,) = torch.autograd.grad(again.exp().sum(), again)  # inner
            return grad * inner

    recorded = Recorded(lambda: Nested.apply(leaf()).sum().backward())
    assert recorded.site("inner").passes == 1
    assert len(recorded.profile.sites) == 2


def test_a_checkpoint_is_part_of_the_pass_that_runs_it() -> None:
    def program() -> None:
        hidden = leaf() * 2
        out = torch.utils.checkpoint.checkpoint(torch.exp, hidden, use_reentrant=True)
        out.sum().backward()  # outer

    recorded = Recorded(program)
    assert [name_of(s.filename, s.row) for s in recorded.profile.sites] == ["outer"]
    assert recorded.site("outer").passes == 1


def test_threads_are_recorded() -> None:
    def step() -> None:
        leaf().exp().sum().backward(retain_graph=True)  # kept

    def program() -> None:
        threads = [threading.Thread(target=step) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert Recorded(program).site("kept").retained_passes == 8


def test_transforms_are_left_alone() -> None:
    def program() -> Tensor:
        return torch.func.grad(lambda x: x.exp().sum())(torch.ones(2))

    recorded = Recorded(program)
    assert recorded.profile.sites == ()


# --- what passes leave behind ------------------------------------------------------------------


def test_what_a_partial_pass_does_not_visit_is_left() -> None:
    def program() -> None:
        first, second = leaf(), leaf()
        loss = first.exp().sin().sum() + second.exp().sin().sum()
        torch.autograd.grad(loss, first)  # partial
        loss = first.exp().sin().sum()
        loss.backward()  # whole

    recorded = Recorded(program)
    # What `exp` saves and what `sin` does are one storage.
    assert recorded.site("partial").left_bytes.max == leaf().nbytes
    assert recorded.site("whole").left_bytes.max == 0


def test_attributes_of_contexts_are_left() -> None:
    class Keeping(torch.autograd.Function):
        @staticmethod
        def forward(ctx, inputs):
            ctx.hidden = inputs.exp()
            return ctx.hidden * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.hidden * 2

    def program() -> None:
        loss = Keeping.apply(leaf()).sum()
        loss.backward()  # pass

    assert Recorded(program).site("pass").left_bytes.max == leaf().nbytes


# --- growth ------------------------------------------------------------------------------------


def unrolled(detach: bool, steps: int = 6) -> Callable[[], None]:
    def program() -> None:
        cell, hidden = nn.RNNCell(3, 3), torch.zeros(2, 3)
        for _ in range(steps):
            hidden = cell(torch.ones(2, 3), hidden.detach() if detach else hidden)
            hidden.sum().backward(retain_graph=True)  # step

    return program


def test_a_carried_state_grows() -> None:
    recorded = Recorded(unrolled(detach=False))
    (growth,) = recorded.profile.growth
    assert growth.nodes_per_pass == 6
    assert growth.bytes_per_pass > 0
    assert recorded.codes == [("RG108", "step")]


def test_a_detached_state_does_not_grow() -> None:
    recorded = Recorded(unrolled(detach=True))
    assert recorded.profile.growth == ()
    assert recorded.codes == [("RG101", "step")]


def test_visiting_one_graph_several_times_is_no_growth() -> None:
    def program() -> None:
        for _ in range(5):
            outputs = leaf().exp()
            for i in range(5):
                outputs[i].backward(retain_graph=i < 4)  # row

    recorded = Recorded(program)
    assert recorded.profile.growth == ()
    assert recorded.codes == []


def test_two_losses_over_one_encoder_are_no_growth() -> None:
    def program() -> None:
        encoder, heads = nn.Linear(8, 4), [nn.Linear(4, 2), nn.Linear(4, 3)]
        for _ in range(5):
            features = encoder(torch.ones(1, 8)).tanh()
            for head in heads:
                head(features).sum().backward(retain_graph=True)  # head

    assert Recorded(program).profile.growth == ()


def test_a_state_that_is_cut_every_few_steps_does_not_grow() -> None:
    def program() -> None:
        cell, hidden = nn.RNNCell(3, 3), torch.zeros(2, 3)
        for step in range(12):
            hidden = cell(torch.ones(2, 3), hidden if step % 3 else hidden.detach())
            hidden.sum().backward(retain_graph=True)  # step

    assert Recorded(program).profile.growth == ()


def test_growth_is_that_of_an_iteration_where_the_loop_begins_anew() -> None:
    def program() -> None:
        for _ in range(3):
            unrolled(detach=False)()

    (growth,) = Recorded(program).profile.growth
    assert growth.nodes_per_pass == 6


# --- refusals ----------------------------------------------------------------------------------


def test_a_freed_graph_knows_who_freed_it() -> None:
    def program() -> None:
        shared = leaf().exp()
        shared.sum().backward()  # frees
        shared.mean().backward()  # raises

    recorded = Recorded(program)
    assert recorded.error is not None
    (clash,) = recorded.trace.clashes
    assert clash.why is Broken.FREED
    assert not clash.carried
    assert clash.earlier is not None
    assert name_of(clash.earlier.filename, clash.earlier.row) == "frees"
    assert name_of(clash.later.filename, clash.later.row) == "raises"
    assert recorded.codes == [("RG102", "frees")]


def test_rows_of_a_freed_graph_are_not_carried() -> None:
    def program() -> None:
        outputs = leaf().exp()
        for i in range(3):
            outputs[i].backward()  # row

    assert Recorded(program).codes == [("RG102", "row")]


def test_heads_over_a_freed_encoder_are_not_carried() -> None:
    def program() -> None:
        shared = nn.Linear(8, 8)(leaf()).relu()
        for head in [nn.Linear(8, 4), nn.Linear(8, 2)]:
            head(shared).relu().sum().backward()  # head

    assert Recorded(program).codes == [("RG102", "head")]


def test_a_freed_graph_that_came_round_a_loop() -> None:
    def program() -> None:
        cell, hidden = nn.RNNCell(3, 3), torch.zeros(2, 3)
        for _ in range(3):
            hidden = cell(torch.ones(2, 3), hidden)
            hidden.sum().backward()  # step

    assert Recorded(program).codes == [("RG108", "step")]


def test_a_step_between_passes() -> None:
    def program() -> None:
        layer = nn.Linear(3, 3)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        other = torch.optim.SGD([leaf()], lr=0.1)
        loss = layer(layer(torch.ones(2, 3)).tanh()).sum()
        loss.backward(retain_graph=True)  # kept
        other.step()
        optimizer.step()  # step
        loss.backward()

    recorded = Recorded(program)
    assert "inplace" in str(recorded.error)
    assert recorded.codes == [("RG105", "kept")]
    assert recorded.site("kept").verdict == "needed"
    (clash,) = recorded.trace.clashes
    assert clash.step is not None
    assert name_of(clash.step.filename, clash.step.row) == "step"


def test_other_errors_are_no_clash() -> None:
    def program() -> None:
        torch.ones(2).sum().backward()

    recorded = Recorded(program)
    assert recorded.error is not None
    assert recorded.trace.clashes == ()


# --- the choke point ---------------------------------------------------------------------------


def test_the_engine_is_put_back() -> None:
    before = torch.autograd._engine_run_backward
    with_error = Recorded(lambda: (_ for _ in ()).throw(RuntimeError("mine")))
    assert str(with_error.error) == "mine"
    assert torch.autograd._engine_run_backward is before
    assert torch.autograd.graph._engine_run_backward is before


def test_a_later_replacement_is_left_in_place() -> None:
    before = torch.autograd._engine_run_backward
    recorded = Recorded(lambda: None).recorder
    recorded.start()
    ours = torch.autograd._engine_run_backward

    def theirs(*args, **kwargs):
        return ours(*args, **kwargs)

    torch.autograd._engine_run_backward = theirs
    try:
        recorded.stop()
        assert torch.autograd._engine_run_backward is theirs
        torch.autograd.backward(leaf().sum())
    finally:
        torch.autograd._engine_run_backward = before
    assert torch.autograd.graph._engine_run_backward is before


def test_nested_recorders_both_see() -> None:
    def inner() -> Recorded:
        return Recorded(lambda: leaf().exp().sum().backward(retain_graph=True))  # kept

    outer = Recorded(inner)
    assert outer.site("kept").retained_passes == 1
    assert outer.result.site("kept").retained_passes == 1
    assert choke_point()._observers == ()
