"""Keeps a model in use while schemathesis tries everything, unloading included."""

import os

import requests
import schemathesis


@schemathesis.hook
def after_call(context, case, response):
    if case.operation.method.upper() == "DELETE" and case.operation.path == "/model":
        url = response.request.url.split("?")[0]
        answer = requests.put(url, json={"model_file": os.environ["INTENDANT_MODEL"]}, timeout=60)
        answer.raise_for_status()
