"""The model that the wire reads is botocore's, whole and light."""

from __future__ import annotations

import subprocess
import sys

import botocore.model
import pytest
import wire_contract as contract

from hearthkms.wire.model import Shape, load

MODELS = {name: load(name) for name in contract.SERVICES}


def test_kms_in_numbers() -> None:
    model = MODELS["kms"]
    assert len(model.operation_names) == 56
    assert (model.target_prefix, model.signing_name, model.json_version) == ("TrentService", "kms", "1.1")
    assert model.errors["NotFoundException"].message_member == "message"
    assert model.errors["KMSInternalException"].fault


def test_cloudhsm_signs_under_another_name_and_capitalises_its_messages() -> None:
    model = MODELS["cloudhsmv2"]
    assert len(model.operation_names) == 18
    assert (model.target_prefix, model.signing_name) == ("BaldrApiService", "cloudhsm")
    assert {error.message_member for error in model.errors.values()} == {"Message"}


@pytest.mark.parametrize("name", contract.SERVICES)
def test_operations_and_errors_are_botocores(name: str) -> None:
    theirs = contract.service(name)
    assert MODELS[name].operation_names == tuple(theirs.operation_names)
    assert set(MODELS[name].errors) == {shape.name for shape in theirs.error_shapes}


@pytest.mark.parametrize(("name", "operation"), contract.operations())
def test_every_shape_is_botocores(name: str, operation: str) -> None:
    theirs = contract.service(name).operation_model(operation)
    ours = MODELS[name]
    _same(ours.input_shape(operation), theirs.input_shape)
    output = ours.output_shape(operation)
    if theirs.output_shape is None:
        assert output is None
    else:
        assert output is not None
        _same(output, theirs.output_shape)


def _same(ours: Shape, theirs: botocore.model.Shape) -> None:
    limits = theirs.metadata
    assert (ours.name, ours.kind) == (theirs.name, theirs.type_name)
    assert (ours.minimum, ours.maximum, ours.pattern) == (
        limits.get("min"),
        limits.get("max"),
        limits.get("pattern"),
    )
    assert list(ours.enum) == limits.get("enum", [])
    assert ours.sensitive == limits.get("sensitive", False)
    assert not theirs.serialization, "a member travels under another name than its own"
    if theirs.type_name == "structure":
        assert list(ours.members) == list(theirs.members)
        assert ours.required == frozenset(limits.get("required", []))
        for member, shape in ours.members.items():
            _same(shape, theirs.members[member])
    elif theirs.type_name == "list":
        assert ours.element is not None
        assert ours.key is None
        _same(ours.element, theirs.member)
    elif theirs.type_name == "map":
        assert ours.element is not None
        assert ours.key is not None
        _same(ours.key, theirs.key)
        _same(ours.element, theirs.value)


def test_unknown_operations_and_services_are_refused() -> None:
    with pytest.raises(KeyError):
        MODELS["kms"].input_shape("EncryptEverything")
    with pytest.raises(FileNotFoundError, match="no-such-service"):
        load("no-such-service")
    with pytest.raises(ValueError, match="s3 does not speak AWS JSON"):
        load("s3")
    with pytest.raises(ValueError, match="contains itself"):
        load("dynamodb")


def test_loading_brings_no_client_and_little_memory() -> None:
    program = (
        "import sys\n"
        "from hearthkms.wire import decode, encode, faults, model\n"
        "kms = model.load('kms')\n"
        "decoders = [decode.Decoder(kms, name) for name in kms.operation_names]\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('botocore', 'urllib3')]\n"
        "with open('/proc/self/status') as status:\n"
        "    print(next(line.split()[1] for line in status if line.startswith('VmHWM')))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 40_000  # KiB
