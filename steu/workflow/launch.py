"""The command line that hands a profile to Snakemake, on this machine or on a cluster."""

from __future__ import annotations

import sys
from pathlib import Path

from steu._errors import suggestion
from steu.workflow.jobs import Grid


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

    Nothing is locked because every result is written whole or not at all, and a lock would
    outlive a run that was killed.

    Raises
    ------
    ValueError
        If `Grid.of` refuses the profile, or the folder for the cluster holds no settings.
    """
    Grid.of(profile, data=data, run=run)
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile"]
    command += ["--nolock", "--rerun-incomplete", "--quiet", "host", "reason"]
    command += ["--profile", "none"]  # what the user has set for all workflows is for others
    command += ["--max-checksum-file-size", "1TB"]  # tables that were only copied are not new
    command += [*(["--dry-run"] if dry_run else []), *_where(cores, cluster)]
    return [*command, "--config", f"profile={profile}", f"data={data}", f"run={run}"]


def _where(cores: int, cluster: str) -> list[str]:
    """Options that say on what the jobs run."""
    if not cluster:
        return ["--cores", str(cores or "all")]
    if not Path(cluster, "config.yaml").is_file():
        known = sorted(str(file.parent) for file in Path("workflow").glob("*/config.yaml"))
        raise ValueError(
            f"{cluster}: expected a folder with a config.yaml for a cluster, found none; "
            f"{suggestion(cluster, known)}"
        )
    return ["--workflow-profile", cluster]
