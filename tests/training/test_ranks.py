"""Several processes do what one does: the parts of it that one process can show."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ulna.errors import ConfigError
from ulna.training.ranks.group import SINGLE_PROCESS, Ranks
from ulna.training.ranks.launch import _store, run_together, torchrun_rank
from ulna.training.ranks.lifeline import Lifeline
from ulna.training.ranks.whole_batch import _WholeBatch


class _Norms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.BatchNorm2d(3)
        self.bare = nn.BatchNorm2d(3, affine=False, track_running_stats=False, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bare(self.plain(x) ** 2)
        return y


def _run(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Output, gradients and buffers after a step forward and back."""
    x = x.clone().requires_grad_()
    y = model(x)
    (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum().backward()
    gradients = [p.grad for p in model.parameters()]
    assert x.grad is not None and all(g is not None for g in gradients)
    return [y.detach(), x.grad, *(g for g in gradients if g is not None), *model.buffers()]


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_that_of_torch(training: bool) -> None:
    x = torch.randn(5, 3, 4, 6, dtype=torch.float64) * 3 + 100
    torch.manual_seed(0)
    expected = _run(_Norms().double().train(training), x)
    with _WholeBatch(SINGLE_PROCESS, 5):
        got = _run(_Norms().double().train(training), x)
    for one, other in zip(expected, got, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


class _Known(Ranks):
    """One of three processes, and what they gather."""

    def __init__(self, rank: int, parts: list[Tensor]) -> None:
        super().__init__(rank, 3)
        object.__setattr__(self, "parts", torch.stack(parts))

    def gathered(self, x: Tensor) -> Tensor:
        torch.testing.assert_close(x, self.parts[self.rank])  # type: ignore[attr-defined]
        return self.parts  # type: ignore[attr-defined, no-any-return]


def test_statistics_of_uneven_parts_are_those_of_the_whole() -> None:
    x = torch.randn(7, 3, 4, 4, dtype=torch.float64) + 5
    whole = nn.BatchNorm2d(3).double()
    y = whole(x)
    reported = []
    for rank in range(3):
        part = x[rank::3]
        n = torch.tensor([part.numel() / 3], dtype=torch.float64)
        reported.append(torch.cat([part.mean((0, 2, 3)), part.var((0, 2, 3), correction=0), n]))
    for rank in range(3):
        norm = nn.BatchNorm2d(3).double()
        with _WholeBatch(_Known(rank, reported), 7):
            torch.testing.assert_close(norm(x[rank::3]), y[rank::3])
        torch.testing.assert_close(norm.running_var, whole.running_var)


@pytest.mark.parametrize("kind", [functional.dropout, functional.dropout2d])
def test_dropout_of_the_rows_is_that_of_the_whole_batch(kind: object) -> None:
    assert callable(kind)
    x = torch.randn(5, 8, 4, 4)
    torch.manual_seed(1)
    whole = kind(x, 0.4, True)
    result = torch.empty_like(x)
    for rank in range(2):
        ranks = Ranks(rank, 2)
        torch.manual_seed(1)
        with _WholeBatch(ranks, 5):
            result[ranks.rows(5)] = kind(x[ranks.rows(5)], 0.4, True)
    assert torch.equal(result, whole)
    with _WholeBatch(Ranks(0, 2), 5):
        assert torch.equal(kind(x[::2], 0.4, False), x[::2])


def test_rows_are_dealt_out_once() -> None:
    for n, size in ((7, 3), (4, 4), (9, 2)):
        rows = [int(r) for rank in range(size) for r in Ranks(rank, size).rows(n)]
        assert sorted(rows) == list(range(n))


@pytest.fixture
def lifelines() -> Iterator[tuple[Lifeline, Lifeline]]:
    first, second = Lifeline(0, 2), Lifeline(1, 2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=lambda: second.connect("127.0.0.1", port))
        thread.start()
        first.accept(server, lambda: None)
        thread.join()
    yield first, second
    first.close()
    second.close()


def test_a_process_that_has_done_its_work_is_not_missed(
    lifelines: tuple[Lifeline, Lifeline],
) -> None:
    first, second = lifelines
    second.close()
    assert first.failure(0.2) is None


def test_the_reason_reaches_the_others(lifelines: tuple[Lifeline, Lifeline]) -> None:
    first, second = lifelines
    second.close("image x.png is gone")
    assert r"number 1 from 0, ended: image x.png is gone" in str(first.failure(5))


def test_a_reason_with_bytes_that_are_no_utf8_reaches_the_others(
    lifelines: tuple[Lifeline, Lifeline],
) -> None:
    """Of a file's name: the error of the connection once took the place of the error itself."""
    first, second = lifelines
    second.close("image x\udcff.png is gone")
    assert r"ended: image x\udcff.png is gone" in str(first.failure(5))


def test_the_first_process_passes_on_the_reason(lifelines: tuple[Lifeline, Lifeline]) -> None:
    first, second = lifelines
    first.close("number 2 ended")
    assert str(second.failure(5)) == "number 2 ended"


def test_a_process_that_is_killed_is_detected(
    lifelines: tuple[Lifeline, Lifeline],
) -> None:
    first, second = lifelines
    second._links[0].shutdown(socket.SHUT_RDWR)
    assert "killed, or out of memory" in str(first.failure(5))
    assert "--resume" in str(first.failure(0))


def test_more_devices_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="2 devices requested, this machine has 1"):
        run_together(2, lambda *_: None, None, None)


TORCHRUN = {"WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({"RANK": "1", **TORCHRUN}, 1),
        ({"RANK": "1", **TORCHRUN, "WORLD_SIZE": "1"}, 0),
        ({"RANK": "1"}, 0),  # another program's: it once hid that the folder holds a run already
        ({"RANK": "first"}, 0),
    ],
)
def test_the_rank_comes_from_torchrun_only(
    variables: dict[str, str], rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", *TORCHRUN):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert torchrun_rank() == rank


def test_another_number_of_devices_than_torchrun_started_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("RANK", "0"), ("LOCAL_RANK", "0"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    for name in ("MASTER_ADDR", "MASTER_PORT", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "2")
    with pytest.raises(ConfigError, match="3 devices requested .* one of 2: leave --devices out"):
        run_together(3, lambda *_: None, None, None)


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE"])
def test_a_variable_of_torchrun_that_is_no_number_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in ({"RANK": "1", **TORCHRUN} | {name: "first"}).items():
        monkeypatch.setenv(key, value)
    with pytest.raises(ConfigError, match=f"{name}='first': expected a whole number"):
        torchrun_rank()


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="no list of sockets (Linux)")
def test_processes_find_each_other_within_the_machine_only() -> None:
    """PyTorch's own store listens on every network that the machine is in."""
    store = _store(0, 2, master=True)
    _store(store.port, 2, master=False).set("key", "value")
    assert store.get("key") == b"value"
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        if (table := Path("/proc/self/net", name)).exists()
        for line in table.read_text().splitlines()[1:]
    ]
    ours, listens = f":{store.port:04X}", "0A"
    assert [r[1] for r in rows if r[1].endswith(ours) and r[3] == listens] == ["0100007F" + ours]
