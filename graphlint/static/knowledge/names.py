"""What well-known names stand for, where the code behind them is not analysed."""

from __future__ import annotations

from typing import Final

_PRINTING = "print format repr str pprint display echo meter update_meter tqdm write writerow"
_LOGGING = """
    warn warning info debug error critical exception log log_dict log_metrics log_metric log_scalar
    log_param log_params log_text log_image log_images log_figure log_histogram logger
    set_description set_description_str set_postfix set_postfix_str
"""
_TENSORBOARD = """
    add_scalar add_scalars add_histogram add_image add_images add_figure add_text add_graph
    add_embedding add_hparams add_pr_curve add_video add_audio add_mesh
"""
_PLOTTING = "imshow plot scatter bar hist show savefig imsave save_image imwrite"
_TESTING = """
    isnan isinf isfinite assert_close assert_allclose assert_equal assert_array_equal
    assert_array_almost_equal assert_almost_equal
"""
_WRITING = "dump dumps savetxt savez"
SINKS: Final = frozenset(
    f"{_PRINTING} {_LOGGING} {_TENSORBOARD} {_PLOTTING} {_TESTING} {_WRITING}".split()
)
"""Calls that look at a value and keep nothing of its graph: printing, logging, plotting, tests."""

GRAPHLESS: Final = frozenset(
    """
    numpy cv2 scipy pandas PIL skimage sklearn matplotlib seaborn imageio math os sys time json
    csv re glob shutil pathlib datetime wandb argparse optparse configparser logging random string
    subprocess socket platform tempfile zipfile tarfile urllib requests yaml toml omegaconf absl gym
    gymnasium h5py tensorboardX nltk
    """.split()
)
"""Libraries that know nothing of graphs: what they return has none, and they keep none."""

MODULE_LOADERS: Final = frozenset(("importlib.import_module", "__import__"))
"""Functions that return a module by its name."""

RISKY: Final = (
    "step",
    "backward",
    "optimi",
    "update",
    "solve",
    "hvp",
    "hessian",
    "grad",
    "jacobian",
    "train",
    "fit",
    "send",
)
"""Parts of names of calls that may run a pass over the graphs that they are handed."""

STORING: Final = frozenset(
    "put put_nowait append appendleft push store insert extend enqueue submit register".split()
)
"""Calls that keep what they are handed, for somebody to take out again."""

DATA_METHODS: Final = frozenset(
    """
    parse_args parse_known_args sample next next_batch get get_batch batch fetch read load reset
    step pop popleft choice shuffle keys values items split join format strip lower upper startswith
    endswith encode decode copy index count generate_batch draw rand randn randint randperm zeros
    ones empty eye arange linspace sample_batch random_batch sample_minibatch get_minibatch
    sample_transitions sample_buffer sample_data get_data load_data next_data
    """.split()
)
"""Methods of unknown objects that yield data, not results of a differentiable computation."""

TRANSFORMS: Final = ("torchvision.transforms.", "torchvision.datasets.", "albumentations.")
"""Where classes come from whose objects make or change data and have no parameters."""

OBJECTS: Final = frozenset(
    """
    torch.Generator torch.Size torch.device torch.dtype torch.finfo torch.iinfo torch.Event
    torch.Stream torch.cuda.Event torch.cuda.Stream
    """.split()
)
"""Classes of torch whose objects are no tensors."""

DATA_MAKERS: Final = frozenset(
    """
    transform transforms preprocess preprocessing preprocessor tokenizer tokenize processor
    image_processor to_tensor totensor loader image_loader normalize augment augmentation collate_fn
    """.split()
)
"""Names of what makes or changes data, and has no parameters."""

DATA_MAKING: Final = ("preprocess", "tokeniz", "collat")
"""Parts of other such names."""

QUIET_METHODS: Final = frozenset(
    """
    zero_grad close flush start stop seed save add_module register_buffer
    state_dict load_state_dict unscale_ update_learning_rate set_epoch lr_scheduler
    """.split()
)
"""Methods of unknown objects that hand no graph on."""

PARAMETER_METHODS: Final = frozenset(("parameters", "named_parameters", "trainable_parameters"))

DETACHING: Final = frozenset(
    "item tolist numpy detach cpu_numpy __float__ __int__ nelement numel size dim argmax".split()
)
"""Methods whose result has no graph, whatever they are called on."""

AMBIGUOUS: Final = frozenset(
    "put take index split add append update get copy count all any sort resize apply render".split()
)
"""Names of tensor methods that other objects have too: no hint that the receiver is a tensor."""

FORWARD: Final = frozenset(("forward", "__call__"))
"""Methods that run a module's forward pass."""
EVALUATING: Final = frozenset(
    "evaluate evaluation eval validate validation valid val predict inference infer".split()
)
"""Words in the names of functions that evaluate a model."""

NEUTRAL_CONTEXTS: Final = frozenset(
    """
    open tqdm trange Progress Timer timer Pool ThreadPoolExecutor ProcessPoolExecutor SummaryWriter
    catch_warnings TemporaryDirectory NamedTemporaryFile redirect_stdout redirect_stderr closing
    Lock amp_autocast autocast_context sdpa_kernel sdp_kernel no_sync Live ZipFile File
    """.split()
)
"""Context managers of other libraries, by the names they are called by, that leave the grad mode
alone."""

NEUTRAL_DECORATORS: Final = frozenset(
    """
    main command group option argument record override abstractmethod overload wraps compile script
    ignore fixture timer profile property setter getter deleter staticmethod classmethod
    """.split()
)
"""Decorators of other libraries, by their last names, that leave the grad mode alone."""
