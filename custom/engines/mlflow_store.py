"""Where `--tracking mlflow` keeps its record: a database in the output folder."""

from pathlib import Path

from ..errors import InputError


def mlflow_store(folder: str | Path) -> str:
    """The address of `folder`/mlruns.db for MLflow.

    MONAI's `path_to_sqlite_uri` writes a blank as %20, which SQLAlchemy takes as it stands: the database would lie in
    another folder. Raises InputError: no such address can be written.
    """
    file = (Path(folder) / "mlruns.db").absolute().as_posix()
    if "?" in file:
        raise InputError(f"--tracking mlflow: {folder}: MLflow takes no path with a ?; pass another, or --tracking_uri")
    return f"sqlite:///{file}"
