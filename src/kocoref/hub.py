"""The Hugging Face Hub: a client for data sets and checkpoints, and what to do when it fails.

A token is read from the environment (``HF_TOKEN``) by the client itself and never shown.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from httpx2 import HTTPError
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
)

from kocoref.errors import InputError


def hub_client() -> HfApi:
    """A client for the Hub that ``HF_ENDPOINT`` names, or else for huggingface.co."""
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)


@contextmanager
def hub_errors(name: str, revision: str, kind: str) -> Iterator[None]:
    """Say what to do about a failure of the Hub; ``kind`` is what ``name`` should be.

    Raises:
        InputError: one line with the name and what to do; never a token.
    """
    try:
        yield
    except HFValidationError:
        problem = f"not the id of a {kind}; write owner/name"
    except GatedRepoError:
        problem = "access is restricted; accept its terms on the Hub and set HF_TOKEN"
    except RepositoryNotFoundError:
        problem = f"no such {kind}, or a private one; correct the id or set HF_TOKEN"
    except RevisionNotFoundError:
        problem = f"no revision {revision!r}; correct revision"
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            problem = f"access denied (HTTP {status}); set HF_TOKEN to a token that may read it"
        else:
            problem = f"the Hub failed (HTTP {status}); try again later"
    except (RevisionResolutionError, LocalEntryNotFoundError, HTTPError, ConnectionError):
        problem = (
            f"revision {revision!r} is not in the local cache and the Hub cannot be reached; "
            "check the network, HF_HUB_OFFLINE and HF_ENDPOINT"
        )
    except json.JSONDecodeError:
        problem = "the answer is not that of a Hub; check the network and HF_ENDPOINT"
    except OSError as error:
        problem = f"cannot be fetched ({error.strerror or type(error).__name__}); try again"
    else:
        return
    raise InputError(f"{name}: {problem}")
