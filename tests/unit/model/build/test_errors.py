"""Errors of builds carry what clients show."""

from wharfie.model.build.errors import DockerfileError, StepFailed
from wharfie.model.build.plan import SourceRange
from wharfie.model.errors import EngineError, InvalidArgument


def test_a_wrong_dockerfile_is_the_callers_fault_and_says_where() -> None:
    error = DockerfileError("unknown instruction: FOO", location=SourceRange(3, 3))
    assert isinstance(error, InvalidArgument)
    assert str(error) == "unknown instruction: FOO"
    assert error.location == SourceRange(3, 3)


def test_a_failed_step_keeps_its_code() -> None:
    error = StepFailed("did not complete", arguments=["false"], exit_code=1)
    assert isinstance(error, EngineError)
    assert not isinstance(error, InvalidArgument)
    assert error.exit_code == 1
