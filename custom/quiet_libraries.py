"""Libraries' warnings that no user can act on are not shown; what matters is said by our own code."""

import logging
import warnings

WARNINGS = (
    r"NvImgCodecPydicomReader: nvImageCodec decoder plugin did not register",  # MONAI: an optional package, of DICOM
    r".*is unlikely to represent the intended person name",  # highdicom, of the scan's patient
    r"This DataLoader will create \d+ worker processes",  # PyTorch, of more than there are cores
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # PyTorch, of itself, in exports
)
LOGGERS = {  # the least level that is shown
    "alembic": logging.WARNING,  # MLflow's database
    "highdicom": logging.WARNING,  # each attribute that it copies
    "mlflow.store.db.utils": logging.WARNING,
    "monai.bundle.workflows": logging.ERROR,  # that a stage of a recipe takes no logging file of its own
    "monai.data.nvimgcodec_pydicom_plugin": logging.ERROR,
    "nibabel.global": logging.ERROR,  # of codes in a header that it sets to 0, without the file's name
    "onnx_ir": logging.WARNING,  # each node that it removes
    "onnxscript": logging.WARNING,
    "torch.onnx._internal.exporter._registration": logging.ERROR,  # operators of torchvision, which is not needed
}


def quiet_libraries() -> None:
    """Show no more of what libraries say than a user can act on."""
    for text in WARNINGS:
        warnings.filterwarnings("ignore", message=text)
    for name, level in LOGGERS.items():
        logging.getLogger(name).setLevel(level)
