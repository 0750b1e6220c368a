"""The table of verbs: path → (module, attribute, summary); modules are imported on use.

To add a verb, add a row to TABLE (and to COMMON if it shall stand first in the help), an alias
to ALIASES, a group to GROUPS, and a `Command` to the named module. A row without a module is a
verb of Docker's that is known but not implemented.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wharfie.cli.command import Command

GLOBAL_FLAGS = """
    --config string  Location of client config files (default "{config}")
-c, --context string  Name of the context to use to connect to the daemon (overrides DOCKER_HOST env var and default context set with "docker context use")
-D, --debug  Enable debug mode
-H, --host list  Daemon socket to connect to
-l, --log-level string  Set the logging level ("debug", "info", "warn", "error", "fatal") (default "info")
    --tls  Use TLS; implied by --tlsverify
    --tlscacert string  Trust certs signed only by this CA (default "{certificates}/ca.pem")
    --tlscert string  Path to TLS certificate file (default "{certificates}/cert.pem")
    --tlskey string  Path to TLS key file (default "{certificates}/key.pem")
    --tlsverify  Use TLS and verify the remote
-v, --version  Print version information and quit
"""  # noqa: E501

GROUPS = {
    "builder": "Manage builds",
    "cert": "Manage TLS certificates of a daemon and its clients",
    "container": "Manage containers",
    "context": "Manage contexts",
    "image": "Manage images",
    "network": "Manage networks",
    "registry": "Manage a registry of this machine",
    "remote": "Manage how other machines reach this daemon",
    "system": "Manage Docker",
    "volume": "Manage volumes",
}

COMMON = (
    "run",
    "exec",
    "ps",
    "pull",
    "build",
    "push",
    "images",
    "login",
    "logout",
    "search",
    "version",
    "info",
)

TABLE: dict[str, tuple[str, str, str]] = {
    "builder prune": ("prune", "BUILDER", "Remove build cache"),
    "cert check": (
        "remote.cert",
        "CHECK",
        "Check directories of certificates and say how to mend them",
    ),
    "cert client": ("remote.cert", "CLIENT", "Create one more client certificate"),
    "cert create": ("remote.cert", "CREATE", "Create a CA, a server and a client certificate"),
    "cert inspect": (
        "remote.cert",
        "INSPECT",
        "Show what certificates say and what is wrong with them",
    ),
    "cert renew": ("remote.cert", "RENEW", "Renew certificates before they expire"),
    "cert server": ("remote.cert", "SERVER", "Create one more server certificate"),
    "container attach": (
        "attach",
        "ATTACH",
        "Attach local standard input, output, and error streams to a running container",
    ),
    "container commit": ("images_make", "COMMIT", "Create a new image from a container's changes"),
    "container cp": (
        "copy",
        "CP",
        "Copy files/folders between a container and the local filesystem",
    ),
    "container create": ("run", "CREATE", "Create a new container"),
    "container diff": (
        "container",
        "DIFF",
        "Inspect changes to files or directories on a container's filesystem",
    ),
    "container exec": ("exec", "EXEC", "Execute a command in a running container"),
    "container export": ("container", "EXPORT", "Export a container's filesystem as a tar archive"),
    "container inspect": (
        "inspect",
        "CONTAINER",
        "Display detailed information on one or more containers",
    ),
    "container kill": ("container", "KILL", "Kill one or more running containers"),
    "container logs": ("logs", "LOGS", "Fetch the logs of a container"),
    "container ls": ("containers_list", "LS", "List containers"),
    "container pause": ("container", "PAUSE", "Pause all processes within one or more containers"),
    "container port": (
        "container",
        "PORT",
        "List port mappings or a specific mapping for the container",
    ),
    "container prune": ("prune", "CONTAINERS", "Remove all stopped containers"),
    "container rename": ("container", "RENAME", "Rename a container"),
    "container restart": ("container", "RESTART", "Restart one or more containers"),
    "container rm": ("container", "RM", "Remove one or more containers"),
    "container run": ("run", "RUN", "Create and run a new container from an image"),
    "container start": ("start", "START", "Start one or more stopped containers"),
    "container stats": (
        "stats",
        "STATS",
        "Display a live stream of container(s) resource usage statistics",
    ),
    "container stop": ("container", "STOP", "Stop one or more running containers"),
    "container top": ("container", "TOP", "Display the running processes of a container"),
    "container unpause": (
        "container",
        "UNPAUSE",
        "Unpause all processes within one or more containers",
    ),
    "container update": ("update", "UPDATE", "Update configuration of one or more containers"),
    "container wait": (
        "container",
        "WAIT",
        "Block until one or more containers stop, then print their exit codes",
    ),
    "context create": ("remote.context", "CREATE", "Create a context"),
    "context export": (
        "remote.context",
        "EXPORT",
        "Export a context to a tar archive FILE or a tar stream on STDOUT.",
    ),
    "context import": (
        "remote.context",
        "IMPORT",
        "Import a context from a tar or zip file",
    ),
    "context inspect": (
        "remote.context",
        "INSPECT",
        "Display detailed information on one or more contexts",
    ),
    "context ls": ("remote.context", "LS", "List contexts"),
    "context rm": ("remote.context", "RM", "Remove one or more contexts"),
    "context show": ("remote.context", "SHOW", "Print the name of the current context"),
    "context update": ("remote.context", "UPDATE", "Update a context"),
    "context use": ("remote.context", "USE", "Set the current docker context"),
    "image copy": (
        "image_copy",
        "COPY",
        "Copy an image to another daemon; only layers it lacks are sent",
    ),
    "doctor": (
        "remote.doctor",
        "DOCTOR",
        "Find what is wrong between here and a daemon, and what mends it",
    ),
    "image build": ("build", "BUILD", "Build an image from a Dockerfile"),
    "image history": ("history", "HISTORY", "Show the history of an image"),
    "image import": (
        "images_make",
        "IMPORT",
        "Import the contents from a tarball to create a filesystem image",
    ),
    "image inspect": ("inspect", "IMAGE", "Display detailed information on one or more images"),
    "image load": ("image", "LOAD", "Load an image from a tar archive or STDIN"),
    "image ls": ("images_list", "LS", "List images"),
    "image prune": ("prune", "IMAGES", "Remove unused images"),
    "image pull": ("pull", "PULL", "Download an image from a registry"),
    "image push": ("pull", "PUSH", "Upload an image to a registry"),
    "image rm": ("image", "RM", "Remove one or more images"),
    "image save": (
        "image",
        "SAVE",
        "Save one or more images to a tar archive (streamed to STDOUT by default)",
    ),
    "image tag": ("image", "TAG", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE"),
    "inspect": ("inspect", "ANY", "Return low-level information on Docker objects"),
    "login": ("login", "LOGIN", "Authenticate to a registry"),
    "logout": ("login", "LOGOUT", "Log out from a registry"),
    "network connect": ("network", "CONNECT", "Connect a container to a network"),
    "network create": ("network", "CREATE", "Create a network"),
    "network disconnect": ("network", "DISCONNECT", "Disconnect a container from a network"),
    "network inspect": (
        "inspect",
        "NETWORK",
        "Display detailed information on one or more networks",
    ),
    "network ls": ("network", "LS", "List networks"),
    "network prune": ("prune", "NETWORKS", "Remove all unused networks"),
    "network rm": ("network", "RM", "Remove one or more networks"),
    "search": ("login", "SEARCH", "Search Docker Hub for images"),
    "system check": ("check", "CHECK", "Verify every stored blob and layer"),
    "registry down": ("registry", "DOWN", "Stop the registry of this machine; its images stay"),
    "registry status": (
        "registry",
        "STATUS",
        "Show what the registry of this machine is doing",
    ),
    "registry up": ("registry", "UP", "Start a registry on this machine"),
    "remote disable": ("remote.remote", "DISABLE", "Close this daemon to other machines again"),
    "remote enable": (
        "remote.remote",
        "ENABLE",
        "Let other machines use this daemon, over mutual TLS",
    ),
    "remote env": (
        "remote.remote",
        "ENV",
        "Print a context as environment, for programs that know no contexts",
    ),
    "remote invite": ("remote.remote", "INVITE", "Make a bundle for one more client"),
    "remote ls": ("remote.remote", "LS", "List the clients that were invited"),
    "remote revoke": ("remote.remote", "REVOKE", "Lock a client out"),
    "system dial-stdio": (
        "remote.dial_stdio",
        "DIAL",
        "Proxy the stdio stream to the daemon connection. Should not be invoked manually.",
    ),
    "system df": ("disk", "DF", "Show docker disk usage"),
    "system events": ("events", "EVENTS", "Get real time events from the server"),
    "system info": ("info", "INFO", "Display system-wide information"),
    "system install": (
        "installing",
        "INSTALL",
        "Install the engine as a service of this machine",
    ),
    "system prune": ("prune", "SYSTEM", "Remove unused data"),
    "system uninstall": (
        "installing",
        "UNINSTALL",
        "Revert system install; data and configuration stay",
    ),
    "version": ("version", "VERSION", "Show the Docker version information"),
    "volume backup": ("volume_data", "BACKUP", "Write a volume's data as a tar stream"),
    "volume clone": ("volume_data", "CLONE", "Copy a volume"),
    "volume create": ("volume", "CREATE", "Create a volume"),
    "volume inspect": ("inspect", "VOLUME", "Display detailed information on one or more volumes"),
    "volume ls": ("volume", "LS", "List volumes"),
    "volume prune": ("prune", "VOLUMES", "Remove unused local volumes"),
    "volume rename": ("volume_data", "RENAME", "Give a volume another name"),
    "volume restore": ("volume_data", "RESTORE", "Fill a volume from a tar stream"),
    "volume rm": ("volume", "RM", "Remove one or more volumes"),
}

# the verbs that also stand alone: word → path
ALIASES = {
    word: f"container {word}"
    for word in [
        "attach",
        "commit",
        "cp",
        "create",
        "diff",
        "exec",
        "export",
        "kill",
        "logs",
        "pause",
        "port",
        "rename",
        "restart",
        "rm",
        "run",
        "start",
        "stats",
        "stop",
        "top",
        "unpause",
        "update",
        "wait",
    ]
} | {
    "build": "image build",
    "builder build": "image build",
    "ps": "container ls",
    "container list": "container ls",
    "container ps": "container ls",
    "container remove": "container rm",
    "context list": "context ls",
    "context remove": "context rm",
    "history": "image history",
    "import": "image import",
    "load": "image load",
    "images": "image ls",
    "image list": "image ls",
    "pull": "image pull",
    "push": "image push",
    "rmi": "image rm",
    "image remove": "image rm",
    "save": "image save",
    "tag": "image tag",
    "network list": "network ls",
    "network remove": "network rm",
    "events": "system events",
    "info": "system info",
    "volume list": "volume ls",
    "volume remove": "volume rm",
}

# verbs that are for programs: no help page lists them
HIDDEN = {"system dial-stdio"}

# verbs Docker has and we do not, yet
PLANNED = {
    "buildx",
    "checkpoint",
    "compose",
    "config",
    "manifest",
    "node",
    "plugin",
    "secret",
    "service",
    "stack",
    "swarm",
    "trust",
    "volume update",
}


def find(words: list[str]) -> tuple[str, list[str]]:
    """Return the path the words begin with, as typed, and the words behind it.

    The path is empty when the first word is none of ours.
    """
    first = words[0]
    if first in GROUPS:
        if len(words) > 1:
            both = f"{first} {words[1]}"
            if both in TABLE or both in ALIASES or both in PLANNED:
                return both, words[2:]
        return first, words[1:]
    if first in TABLE or first in ALIASES or first in PLANNED:
        return first, words[1:]
    return "", words


def load(path: str) -> Command | None:
    """Import a verb's module and return its command; None when it is not implemented."""
    row = TABLE.get(ALIASES.get(path, path))
    if row is None:
        return None
    module = __import__(f"wharfie.cli.commands.{row[0]}", fromlist=[row[1]])
    command: Command = getattr(module, row[1])
    return command
