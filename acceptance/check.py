#!/usr/bin/env python3
"""Runs the acceptance scripts that apply to a binary and holds their figures against floor.json.

usage: check.py BINARY --shared DIR [--update]

Prints every figure beside its floor. A figure below its floor fails the run. With --update, floors that were
exceeded are raised to what was measured; a floor never falls. Standard library only.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FLOOR = os.path.join(HERE, "floor.json")
ALLOW = os.path.join(HERE, "..", "docs", "replay-allow.json")


# How far a figure may lie below its floor: another processor rounds differently, which can turn a single message.
SLACK = {"replay": 0, "nlu": 0.003, "entities": 0.2, "predictors": 0.005, "dialogflow": 0.01}
def run(command):
    print("$ " + " ".join(os.path.basename(part) if part.startswith("/") else part for part in command), flush=True)
    return subprocess.run(command, check=False).returncode


def replay(binary, scripts, work):
    """Steps that pass or differ for a written reason, per recorded file."""
    report = os.path.join(work, "replay.json")
    run([sys.executable, os.path.join(scripts, "replay.py"), binary, "--allow", ALLOW, "--json", report])
    figures = {}
    for step in json.load(open(report, encoding="utf-8")):
        name = step["file"].removesuffix(".jsonl")
        figures.setdefault(name, 0)
        figures[name] += step["state"] != "failed"
    return figures


def nlu(binary, scripts, work):
    """Accuracy and entity F1 per data set; timings are printed by the script and are no floor."""
    figures = {}
    for pipeline in ("rasa", "recommended"):
        report = os.path.join(work, "nlu-%s.json" % pipeline)
        run([sys.executable, os.path.join(scripts, "nlu.py"), binary, "--pipeline", pipeline, "--json", report])
        for name, row in json.load(open(report, encoding="utf-8")).items():
            for metric in ("accuracy", "entity_f1", "oos_auroc"):
                if metric in row:
                    figures["%s.%s.%s" % (pipeline, name, metric)] = round(row[metric], 4)
    return figures


def entities(binary, scripts, work):
    """Share of rows, in percent, per set and language."""
    report = os.path.join(work, "entities.json")
    run([sys.executable, os.path.join(scripts, "entities.py"), binary, "--json", report])
    sets = json.load(open(report, encoding="utf-8")).get("sets", [])
    return {"%s.%s.%s" % (row["section"], row["lang"], row["name"]): round(row["percent"], 1) for row in sets}


def predictors(binary, scripts, work):
    """Quality per predictor; of models from elsewhere whether they answer as recorded."""
    report = os.path.join(work, "predictors.json")
    specs = os.path.join(HERE, "predictors")
    run([sys.executable, os.path.join(scripts, "predictors.py"), binary, "--specs", specs, "--json", report])
    figures = {}
    for name, row in json.load(open(report, encoding="utf-8")).items():
        for metric in ("f1", "roc_auc", "pr_auc", "accuracy", "macro_f1", "ndcg10", "recall10"):
            if metric in row:
                figures["%s.%s" % (name, metric)] = round(row[metric], 4)
        if name.startswith("foreign_"):
            figures["%s.as_recorded" % name] = int(row.get("max_abs_difference", 1) <= 1e-5)
    return figures


def dialogflow(binary, scripts, work):
    """Shares of phrases that find their intent, dialogue turns that are right, and other checks that fail."""
    report = os.path.join(work, "dialogflow.json")
    run([sys.executable, os.path.join(scripts, "dialogflow.py"), binary, "--json", report])
    found = json.load(open(report, encoding="utf-8"))
    figures = {"turns": found["turns"][0], "checks": sum(check["ok"] for check in found["checks"])}
    for kind in ("in-sample", "named-test"):
        rights, totals = zip(*found[kind].values())
        figures[kind] = round(sum(rights) / sum(totals), 4)
    return figures


MEASURES = (
    ("replay", replay),
    ("nlu", nlu),
    ("entities", entities),
    ("predictors", predictors),
    ("dialogflow", dialogflow),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("--shared", required=True)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    scripts = os.path.join(options.shared, "acceptance")
    floors = json.load(open(FLOOR, encoding="utf-8"))
    short = []
    with tempfile.TemporaryDirectory(prefix="acceptance-") as work:
        for name, measure in MEASURES:
            if name not in floors:
                continue
            try:
                figures = measure(binary, scripts, work)
                if name == "replay" and any(figures.get(key, 0) < floor for key, floor in floors[name].items()):
                    print("below the floor: played once more, as a busy machine can miss a step's time limit")
                    figures = measure(binary, scripts, work)
            except (OSError, ValueError, KeyError) as error:
                short.append("%s: no figures: %s" % (name, error))
                continue
            for figure in sorted(set(figures) | set(floors[name])):
                value, floor = figures.get(figure), floors[name].get(figure)
                print("%-10s %-44s %8s   floor %s" % (name, figure, value, floor))
                if floor is not None and (value is None or value < floor - SLACK[name]):
                    short.append("%s %s: %s is below the floor %s" % (name, figure, value, floor))
                elif value is not None and (floor is None or value > floor):
                    floors[name][figure] = value
    if options.update:
        with open(FLOOR, "w", encoding="utf-8") as file:
            json.dump(floors, file, indent=1, sort_keys=True)
            file.write("\n")
    for line in short:
        print("short: " + line)
    print("acceptance: %s" % ("%d figure(s) below the floor" % len(short) if short else "every figure holds its floor"))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
