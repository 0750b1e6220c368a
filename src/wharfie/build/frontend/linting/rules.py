"""The rules: names, descriptions and addresses are Docker's, so that what users know holds here.

Source: Docker documentation, "Build checks".
"""

from __future__ import annotations

import re
from enum import Enum

from msgspec import Struct

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=JSON)(?=A)")
_PAGES = "https://docs.docker.com/go/dockerfile/rule/"


class RuleText(Struct, frozen=True):
    """Name and description of a rule.

    Attributes:
        is_experimental: only where `# check=experimental=` asks for it.
    """

    name: str
    description: str
    is_experimental: bool = False

    @property
    def url(self) -> str:
        """The page about it."""
        return f"{_PAGES}{_WORD.sub('-', self.name).lower()}/"


class Rule(Enum):
    """Every rule."""

    STAGE_NAME_CASING = RuleText("StageNameCasing", "Stage names should be lowercase")
    FROM_AS_CASING = RuleText(
        "FromAsCasing", "The 'as' keyword should match the case of the 'from' keyword"
    )
    NO_EMPTY_CONTINUATION = RuleText(
        "NoEmptyContinuation", "Empty continuation lines will become errors in a future release"
    )
    CONSISTENT_INSTRUCTION_CASING = RuleText(
        "ConsistentInstructionCasing",
        "All commands within the Dockerfile should use the same casing (either upper or lower)",
    )
    DUPLICATE_STAGE_NAME = RuleText("DuplicateStageName", "Stage names should be unique")
    RESERVED_STAGE_NAME = RuleText(
        "ReservedStageName", "Reserved words should not be used as stage names"
    )
    JSON_ARGS_RECOMMENDED = RuleText(
        "JSONArgsRecommended",
        "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to "
        "OS signals",
    )
    MAINTAINER_DEPRECATED = RuleText(
        "MaintainerDeprecated",
        "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
    )
    UNDEFINED_ARG_IN_FROM = RuleText("UndefinedArgInFrom", "FROM command must use declared ARGs")
    WORKDIR_RELATIVE_PATH = RuleText(
        "WorkdirRelativePath",
        "Relative workdir without an absolute workdir declared within the build can have "
        "unexpected results if the base image changes",
    )
    UNDEFINED_VAR = RuleText("UndefinedVar", "Variables should be defined before their use")
    MULTIPLE_INSTRUCTIONS_DISALLOWED = RuleText(
        "MultipleInstructionsDisallowed",
        "Multiple instructions of the same type should not be used in the same stage",
    )
    LEGACY_KEY_VALUE_FORMAT = RuleText(
        "LegacyKeyValueFormat",
        "Legacy key/value format with whitespace separator should not be used",
    )
    REDUNDANT_TARGET_PLATFORM = RuleText(
        "RedundantTargetPlatform",
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the "
        "default behavior",
    )
    SECRETS_USED_IN_ARG_OR_ENV = RuleText(
        "SecretsUsedInArgOrEnv", "Sensitive data should not be used in the ARG or ENV commands"
    )
    INVALID_DEFAULT_ARG_IN_FROM = RuleText(
        "InvalidDefaultArgInFrom",
        "Default value for global ARG results in an empty or invalid base image name",
    )
    FROM_PLATFORM_FLAG_CONST_DISALLOWED = RuleText(
        "FromPlatformFlagConstDisallowed", "FROM --platform flag should not use a constant value"
    )
    COPY_IGNORED_FILE = RuleText(
        "CopyIgnoredFile", "Attempting to Copy file that is excluded by .dockerignore"
    )
    INVALID_DEFINITION_DESCRIPTION = RuleText(
        "InvalidDefinitionDescription",
        "Comment for build stage or argument should follow the format: `# <arg/stage name> "
        "<description>`. If this is not intended to be a description comment, add an empty line "
        "or comment between the instruction and the comment.",
        is_experimental=True,
    )
    EXPOSE_PROTO_CASING = RuleText(
        "ExposeProtoCasing", "Protocol in EXPOSE instruction should be lowercase"
    )
    EXPOSE_INVALID_FORMAT = RuleText(
        "ExposeInvalidFormat",
        "IP address and host-port mapping should not be used in EXPOSE instruction. This will "
        "become an error in a future release",
    )
