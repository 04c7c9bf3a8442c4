"""Creates the stack of ``infra/template.yaml`` on the embedded AWS. Its functions run the source of this process."""

from __future__ import annotations

import asyncio
import io
import json
import marshal
import zipfile
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError

import eventcron
from eventcron.local import template
from eventcron.local.errors import LocalError

STACK_NAME = "eventcron"
_BUCKET = "eventcron-local-code"
_CODE_KEY = "eventcron.zip"
_TEMPLATE_KEY = "template.json"
#: The flags of bytecode that Python loads without a look at its source (PEP 552).
_UNCHECKED = 0b01


class Clients(Protocol):
    """Clients of one account and Region."""

    def client(self, service: str) -> Any:
        """The client of *service*."""


def bundle() -> bytes:
    """A Lambda package of the running ``eventcron``, with bytecode and without its dependencies.

    The functions run on the interpreter of this process, which has them installed.
    """
    package = Path(eventcron.__file__).parent
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(package.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                name = file.relative_to(package.parent)
                archive.write(file, name)
                if file.suffix == ".py":
                    archive.writestr(cache_from_source(str(name)), _bytecode(file))
    return buffer.getvalue()


def _bytecode(file: Path) -> bytes:
    """What Python caches of *file*, for a copy that is of another time."""
    code = SourceFileLoader(file.stem, str(file)).get_code(file.stem)  # from Python's own cache, if it is there
    return MAGIC_NUMBER + _UNCHECKED.to_bytes(4, "little") + source_hash(file.read_bytes()) + marshal.dumps(code)


async def deploy(aws: Clients, parameters: Mapping[str, str], code: bytes) -> dict[str, str]:
    """Create the stack with *parameters* and *code*, and return its outputs by name.

    Raises:
        LocalError: CloudFormation refused the stack or failed; names the parameter or resource and says why.
    """
    try:
        return await _deploy(aws, parameters, code)
    except ClientError as error:
        reason = error.response.get("Error", {}).get("Message", str(error))
        raise LocalError(f"the embedded AWS refused {error.operation_name}: {reason}") from error


async def _deploy(aws: Clients, parameters: Mapping[str, str], code: bytes) -> dict[str, str]:
    s3 = aws.client("s3")
    await s3.create_bucket(Bucket=_BUCKET)
    await s3.put_object(Bucket=_BUCKET, Key=_CODE_KEY, Body=code)

    body = json.dumps(template.with_code(template.read(), f"s3://{_BUCKET}/{_CODE_KEY}"))
    # As `sam deploy` does: CloudFormation takes 51,200 bytes of a template in a call, and 1 MB of one in a bucket.
    await s3.put_object(Bucket=_BUCKET, Key=_TEMPLATE_KEY, Body=body.encode())
    cloudformation = aws.client("cloudformation")
    await cloudformation.create_stack(
        StackName=STACK_NAME,
        TemplateURL=f"https://s3.amazonaws.com/{_BUCKET}/{_TEMPLATE_KEY}",
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    return _outputs(await _created(cloudformation))


async def resume(aws: Clients) -> dict[str, str]:
    """The existing stack's outputs by name. Its functions got the running code when the snapshot was loaded."""
    return _outputs(await _created(aws.client("cloudformation")))


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


async def _created(cloudformation: Any) -> dict[str, Any]:
    while True:
        stack: dict[str, Any] = (await cloudformation.describe_stacks(StackName=STACK_NAME))["Stacks"][0]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return stack
        if stack["StackStatus"] != "CREATE_IN_PROGRESS":
            raise LocalError(f"the stack was not created: {await _reasons(cloudformation, stack)}")
        await asyncio.sleep(0.05)  # CloudFormation sends no signal, and its own waiter polls every 30 s


async def _reasons(cloudformation: Any, stack: Mapping[str, Any]) -> str:
    answer = await cloudformation.describe_stack_events(StackName=STACK_NAME)
    failed = [event for event in answer["StackEvents"] if event["ResourceStatus"].endswith("_FAILED")]
    reasons = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in reversed(failed)]
    return "; ".join(reasons) or stack.get("StackStatusReason", stack["StackStatus"])
