"""The command line that hands a profile to Snakemake, on this machine or on a cluster."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlencode

from steu._errors import suggestion
from steu._io import alone
from steu.workflow.code_dependencies import PackageCode
from steu.workflow.jobs import Grid
from steu.workflow.opening import check_backbones
from steu.workflow.profiles import SYNTHETIC, load_profile
from steu.workflow.warm import ADDRESS, warm_interpreter

# All that Snakemake shares between jobs but its own cache, which lies in a home that may be gone.
SHARED = ["persistence", "input-output", "software-deployment", "sources", "storage-local-copies"]
MODELS = 9  # that a run keeps a cell, references and edits too: 3.0 GB in six of 55 MB, on `open`


def snakemake_command(
    profile: str,
    *,
    data: str = "",
    run: str = "",
    cores: int = 0,
    cluster: str = "",
    dry_run: bool = False,
) -> list[str]:
    """Command line that runs a profile; what is wrong with the profile is said first.

    `cluster` is a folder with Snakemake's settings for a cluster. The cores of this machine then
    do not count: Snakemake would cut a job's threads down to them.

    Snakemake locks nothing, because its lock would outlive a run that was killed; see `alone_in`.

    Raises
    ------
    ValueError
        If `Grid.of` or `look_at` refuses the profile, its models do not fit on the disk, or the
        folder for the cluster holds no settings.
    OSError
        If nothing can be written to the run's folder.
    """
    grid = Grid.of(profile, data=data, run=run)
    _look_at_tables(grid)
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile"]
    command += ["--nolock", "--rerun-incomplete", "--quiet", "host", "reason"]
    command += ["--profile", "none"]  # what the user has set for all workflows is for others
    command += ["--max-checksum-file-size", "1TB"]  # tables that were only copied are not new
    # It plans anew whenever more jobs may start; left alone, each second and by integer programs.
    command += ["--scheduler", "greedy", "--max-jobs-per-timespan", "100/3s"]
    command += [*(["--dry-run"] if dry_run else []), *_where(cores, cluster)]
    if not dry_run:
        _check_disk(grid)
        _check_writable(Path(grid.run))
    # Snakemake reads each value as YAML, and hands it to a cluster in quotes: as the query of an
    # address it is the same text for both, whatever it holds.
    asked = urlencode({"profile": profile, "data": data, "run": run}, safe="/")
    return [*command, "--config", f"grid={asked}"]


def alone_in(run: Path) -> AbstractContextManager[None]:
    """Keep others from running in a folder while the block runs; ValueError if somebody does."""
    otherwise = (
        f"{run}: another run is writing there; wait until it has ended, or write elsewhere with "
        "--run FOLDER"
    )
    return alone(Path(f"{run}.lock"), otherwise=otherwise)


@contextmanager
def kernels(profile: str, *, cores: int) -> Iterator[dict[str, str]]:
    """Variables for a run whose kernels start warm, on this many cores; none for no cores.

    While another process imports what they need, every encoder of the profile is opened once.
    Neither is done for notebooks that need no model, as those of a test: what they import, they
    import soon.

    Raises
    ------
    ValueError
        As `check_backbones` does.
    """
    loaded, code = load_profile(profile), PackageCode()
    imported = {Path(file) for s in loaded.all_stages for file in code.files_of(s.path)}
    if not any("models" in file.parts for file in imported):
        yield {}
        return
    none: AbstractContextManager[dict[str, str]] = nullcontext({})
    threads = min(loaded.threads, cores)  # as Snakemake cuts them
    own = cores and ADDRESS not in os.environ  # whoever started this may have one
    with warm_interpreter(threads=threads) if own else none as warm:
        check_backbones(loaded)
        yield warm


def _look_at_tables(grid: Grid) -> None:
    from steu.data.readers.first_look import look_at  # with DuckDB

    for dataset in map(grid.dataset, grid.profile.datasets):
        if dataset["path"] != SYNTHETIC:
            names = {"forget": dataset["forget_label"], **dataset["options"]}
            look_at(dataset["layout"], dataset["path"], dataset["labels"], **names)


def _check_writable(run: Path) -> None:
    """Raise the system's error where nothing can be written, before a job does."""
    run.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=run):
        pass


def _check_disk(grid: Grid) -> None:
    """Refuse a run whose classifiers would fill the disk, hours after it began."""
    cells = len(grid.profile.datasets) * len(grid.profile.seeds)
    local = [Path(backbone.model) for backbone in grid.profile.backbones.values()]
    weights = [file for folder in local for file in folder.glob("*.safetensors")]
    done = sum(file.stat().st_size for file in Path(grid.run).rglob("*") if file.is_file())
    needed = MODELS * cells * sum(file.stat().st_size for file in weights) - done
    there = next(p for p in Path(grid.run, "_").absolute().parents if p.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ValueError(
            f"{grid.run} will take some {needed / 1e9:.0f} GB more ({MODELS} models for each "
            f"dataset, backbone and seed) and {free / 1e9:.0f} GB are free there: free some, write "
            "elsewhere with --run FOLDER, or take fewer backbones or seeds"
        )


def _where(cores: int, cluster: str) -> list[str]:
    """Options that say on what the jobs run."""
    if not cluster:
        return ["--cores", str(cores or "all"), "--shared-fs-usage", *SHARED]
    if not Path(cluster, "config.yaml").is_file():
        known = sorted(str(file.parent) for file in Path("workflow").glob("*/config.yaml"))
        raise ValueError(
            f"{cluster}: expected a folder with a config.yaml for a cluster, found none; "
            f"{suggestion(cluster, known)}"
        )
    return ["--workflow-profile", cluster]
