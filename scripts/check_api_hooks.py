"""What scripts/check-api tells schemathesis beside the document: which cameras there are, and to stay at home.

The box opens what it is told to open. So each address in a call becomes one of this machine, at a port where nobody
listens: nothing here looks for a stranger's camera, or broker.
"""

import schemathesis

CAMERAS = ("gate", "yard")
NOBODY = "127.0.0.1:9"
# Keys that hold a host alone: of a broker, in settings and in a try.
HOSTS = ("host", "mqtt.host")


def at_home(value):
    """The same, with every host in it replaced."""
    if isinstance(value, dict):
        return {key: "127.0.0.1" if key in HOSTS and one else at_home(one) for key, one in value.items()}
    if isinstance(value, list):
        return [at_home(one) for one in value]
    if isinstance(value, str) and "://" in value:
        return f"{value.split('://', 1)[0]}://{NOBODY}/"
    return value


@schemathesis.hook
def map_body(context, body):
    return at_home(body) if isinstance(body, (dict, list)) else body


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """A made-up id is nobody's: half of the calls, told by the id itself, are about cameras that exist."""
    if path_parameters and "tokens" not in context.operation.path and isinstance(path_parameters.get("id"), str):
        chosen = sum(path_parameters["id"].encode("utf-8", "replace")) % (2 * len(CAMERAS))
        if chosen < len(CAMERAS):
            path_parameters["id"] = CAMERAS[chosen]
    return path_parameters


@schemathesis.deserializer("text/yaml")
def text(context, response):
    """The configuration is a text for its readers, whatever YAML makes of it."""
    return response.content.decode("utf-8")
