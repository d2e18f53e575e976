"""What the tables say of the ops that decide most findings; torch is not needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from graphlint.static.knowledge.facts import MAYBE, NO, YES, Ternary
from graphlint.static.knowledge.inplace import INPLACE
from graphlint.static.knowledge.layers import CONTAINERS, find_layer
from graphlint.static.knowledge.layertable import LAYERS
from graphlint.static.knowledge.ops import (
    INERT,
    OPERATORS,
    REFLECTED,
    cuts,
    find_inplace,
    find_op,
    is_inert,
    makes,
)
from graphlint.static.knowledge.optable import CUTS, FACTORIES, OPS

SAVING = (
    "mul div pow matmul mm bmm einsum relu exp tanh sigmoid softmax log_softmax log sin abs conv1d "
    "conv2d conv3d linear cross_entropy nll_loss mse_loss l1_loss binary_cross_entropy "
    "binary_cross_entropy_with_logits kl_div max min norm std var prod sort topk gather where "
    "index index_select masked_select masked_fill layer_norm batch_norm embedding normalize "
    "cosine_similarity scaled_dot_product_attention cdist grid_sample max_pool2d avg_pool2d clamp"
).split()
FREE = (
    "add sub neg sum mean view reshape cat stack squeeze unsqueeze transpose permute t T mT "
    "flatten expand repeat select slice narrow split chunk unbind clone contiguous to float double "
    "cumsum trace diag diagonal triu tril flip roll unfold fold pixel_shuffle hstack vstack"
).split()
DEPENDING = "dropout interpolate pad lerp getitem remainder repeat_interleave".split()


@pytest.mark.parametrize("name", SAVING)
def test_saves(name: str) -> None:
    op = find_op(name)
    assert op is not None
    assert op.saves is YES


@pytest.mark.parametrize("name", "cross_entropy l1_loss triplet_margin_loss gru_cell".split())
def test_a_gradient_depends_on_what_is_made_within(name: str) -> None:
    op = find_op(name)
    assert op is not None
    assert op.within


@pytest.mark.parametrize("name", "nll_loss index_select mul softmax dropout masked_fill".split())
def test_nothing_is_made_within(name: str) -> None:
    op = find_op(name)
    assert op is not None
    assert not op.within


@pytest.mark.parametrize("name", FREE)
def test_saves_nothing(name: str) -> None:
    op = find_op(name)
    assert op is not None
    assert op.saves is NO
    assert op.inputs == ""
    assert op.output is NO


@pytest.mark.parametrize("name", DEPENDING)
def test_depends_on_the_arguments(name: str) -> None:
    op = find_op(name)
    assert op is not None
    assert op.saves is MAYBE


@pytest.mark.parametrize(
    ("name", "inputs", "output"),
    [
        ("mul", "xx", NO),
        ("matmul", "xx", NO),
        ("div", "xa", NO),
        ("linear", "xx.", NO),
        ("addmm", ".xx", NO),
        ("conv2d", "aa", NO),
        ("relu", "", YES),
        ("exp", "", YES),
        ("tanh", "", YES),
        ("sigmoid", "", YES),
        ("softmax", "", YES),
        ("log_softmax", "", YES),
        ("sqrt", "", YES),
        ("log", "a", NO),
        ("mse_loss", "aa", NO),
        ("where", "a", NO),
        ("index", "-a", NO),
        ("embedding", "a", NO),
    ],
)
def test_says_which_tensors_are_saved(name: str, inputs: str, output: Ternary) -> None:
    assert OPS[name].inputs == inputs
    assert OPS[name].output is output


def test_letters_are_found_by_position_and_by_keyword() -> None:
    linear = OPS["linear"]
    assert [linear.letter(i) for i in range(4)] == ["x", "x", ".", "-"]
    assert linear.keyword("bias") == "."
    assert linear.keyword("nonsense") == "-"
    assert [OPS["einsum"].letter(i) for i in range(4)] == ["-", "x", "x", "x"]


@pytest.mark.parametrize(
    ("name", "results", "graphless"),
    [
        ("sum", 1, ()),
        ("sort", 2, (1,)),
        ("topk", 2, (1,)),
        ("cummax", 2, (1,)),
        ("std_mean", 2, ()),
        ("svd", 3, ()),
        ("split", "list", ()),
        ("chunk", "list", ()),
        ("unbind", "list", ()),
        ("meshgrid", "list", ()),
        ("max", "dim", (1,)),
        ("min", "dim", (1,)),
        ("median", "dim", (1,)),
    ],
)
def test_says_what_is_returned(name: str, results: int | str, graphless: tuple[int, ...]) -> None:
    assert OPS[name].results == results
    assert OPS[name].graphless == graphless


@pytest.mark.parametrize(
    "name",
    "detach item tolist numpy argmax argmin argsort eq ne lt gt le ge isnan isinf nonzero one_hot "
    "multinomial bincount bucketize floor_divide long int bool zeros_like randn_like size".split(),
)
def test_cuts(name: str) -> None:
    assert cuts(f"torch.{name}")
    assert find_op(name) is None


@pytest.mark.parametrize("name", "round floor ceil trunc sign bernoulli".split())
def test_a_zero_gradient_is_no_cut(name: str) -> None:
    assert OPS[name].saves is NO
    assert not cuts(name)


def test_factories_make_tensors_without_a_graph() -> None:
    names = "zeros ones randn tensor arange from_numpy full eye rand_like empty linspace".split()
    assert all(makes(f"torch.{name}") for name in names)
    assert not any(name in OPS for name in FACTORIES)


def test_as_tensor_keeps_the_graph_of_a_tensor() -> None:
    assert not makes("torch.as_tensor")
    assert OPS["as_tensor"].saves is NO


def test_every_name_has_one_meaning() -> None:
    assert not set(OPS) & (CUTS | INERT)
    assert not set(INPLACE) & set(OPS)


def test_operators_are_known() -> None:
    assert all(name in OPS or name in CUTS for name in (*OPERATORS.values(), *REFLECTED.values()))


def test_finds_by_dotted_names() -> None:
    assert find_op("torch.nn.functional.relu") is OPS["relu"]
    assert find_op("torch.special.polygamma") is OPS["special.polygamma"]
    assert find_op("torch.fft.rfft") is OPS["rfft"]
    assert find_op("nonsense") is None


def test_in_place_forms_save_a_copy_of_their_receiver() -> None:
    multiply, exponential = find_inplace("mul_"), find_inplace("torch.exp_")
    assert multiply is not None
    assert multiply.op is not None
    assert multiply.op.inputs == "-x"
    assert exponential is not None
    assert exponential.op is not None
    assert exponential.op.output is YES


def test_in_place_forms_that_differ() -> None:
    leaky, detach, assign = map(find_inplace, ("leaky_relu_", "detach_", "__setitem__"))
    assert leaky is not None
    assert leaky.op is not None
    assert leaky.op.output is YES
    assert detach is not None
    assert detach.cuts
    assert not detach.bumps
    assert assign is not None
    assert assign.op is not None
    assert assign.op.saves is YES
    assert find_inplace("relu") is None
    assert find_inplace("__init__") is None
    assert find_inplace("nonsense_") is None


def test_inert_functions() -> None:
    assert is_inert("torch.manual_seed")
    assert not is_inert("torch.load")


@pytest.mark.parametrize(
    ("name", "saves", "inputs", "weights", "output"),
    [
        ("Linear", YES, "x", "x", NO),
        ("Conv2d", YES, "a", "a", NO),
        ("BatchNorm1d", YES, "a", "a", NO),
        ("Embedding", YES, "a", "-", NO),
        ("ReLU", YES, "", "", YES),
        ("Tanh", YES, "", "", YES),
        ("GELU", YES, "a", "", NO),
        ("Flatten", NO, "", "", NO),
        ("Identity", NO, "", "", NO),
        ("Dropout", MAYBE, "", "", NO),
        ("MSELoss", YES, "aa", "", NO),
        ("RMSNorm", YES, "o", "x", NO),
    ],
)
def test_layers(name: str, saves: Ternary, inputs: str, weights: str, output: Ternary) -> None:
    layer = find_layer(f"torch.nn.{name}")
    assert layer is not None
    assert layer.op.saves is saves
    assert layer.op.inputs == inputs
    assert layer.op.output is output
    assert layer.weights == weights


def test_layers_that_return_more() -> None:
    assert LAYERS["LSTM"].returns == "lstm"
    pairs = ("GRU", "RNN", "MultiheadAttention", "LSTMCell")
    assert all(LAYERS[name].returns == "pair" for name in pairs)
    assert LAYERS["Linear"].returns == "tensor"


def test_only_dropout_is_for_training_only() -> None:
    names = {name for name, layer in LAYERS.items() if layer.training_only}
    assert names == {name for name in LAYERS if "Dropout" in name}


def test_containers_are_no_layers() -> None:
    assert {"Sequential", "ModuleList", "ModuleDict"} <= CONTAINERS
    assert not CONTAINERS & set(LAYERS)


def test_kleene_logic() -> None:
    values = (NO, MAYBE, YES)
    for left in values:
        for right in values:
            rank = values.index(left), values.index(right)
            assert (left | right) is values[max(rank)]
            assert (left & right) is values[min(rank)]
    assert [~value for value in values] == [YES, MAYBE, NO]
    with pytest.raises(TypeError, match="no truth value"):
        bool(NO)


def test_the_tables_load_without_heavy_modules() -> None:
    code = (
        "import sys, graphlint.static.knowledge.layers, graphlint.static.knowledge.ops;"
        "print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "libcst", "numpy"} & set(run.stdout.split())
