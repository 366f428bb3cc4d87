"""Tables of a metrics.json as Markdown, for docs/results: scripts/result_table.py METRICS."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

MEASURES = {
    "auroc_visible": "AUROC visible",
    "sensitivity_visible": "sensitivity visible",
    "specificity": "specificity",
    "auroc": "AUROC",
    "sensitivity": "sensitivity",
    "precision": "precision",
    "f1": "F1",
    "kappa": "kappa",
    "ece": "ECE",
}


def cell(entry: dict[str, Any] | None) -> str:
    if entry is None or entry["value"] is None:
        return "–"
    if entry["low"] is None:
        return f"{entry['value']:.3f}"
    return f"{entry['value']:.3f} ({entry['low']:.2f}–{entry['high']:.2f})"


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def by_body_part(groups: dict[str, Any]) -> list[str]:
    used = {k: v for k, v in MEASURES.items() if any(g.get(k) for g in groups.values())}
    lines = [row(["", "abnormal / all", *used.values()]), row(["---"] * (2 + len(used)))]
    for name, group in groups.items():
        count = f"{group['n_abnormal']} / {group['n_studies']}"
        lines.append(row([name, count, *(cell(group.get(k)) for k in used)]))
    return lines


def by_expert(metrics: dict[str, Any]) -> list[str]:
    tables = {"hybrid": metrics["by_body_part"], "mean of experts": metrics["mean_of_experts"]}
    tables |= metrics["experts"]
    groups = list(metrics["by_body_part"])
    lines = [row(["AUROC", *groups]), row(["---"] * (1 + len(groups)))]
    lines += [
        row([n, *(cell(t[g]["auroc"]) if g in t else "–" for g in groups)])
        for n, t in tables.items()
    ]
    return lines


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    result = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print("\n".join([*by_body_part(result["by_body_part"]), "", *by_expert(result)]))
