"""The configuration: Docker's keys mean the same, and nothing is ignored in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from wharfie.registry.config import Config, ConfigError, load
from wharfie.registry.config.document import UNSERVED

DOCKERS = """\
version: 0.1
log:
  accesslog:
    disabled: true
  level: debug
  formatter: json
  fields:
    service: registry
    environment: staging
storage:
  filesystem:
    rootdirectory: /srv/images
    maxthreads: 100
  delete:
    enabled: true
  cache:
    blobdescriptor: inmemory
  maintenance:
    uploadpurging:
      enabled: true
      age: 168h
      interval: 24h
      dryrun: false
    readonly:
      enabled: false
auth:
  htpasswd:
    realm: basic-realm
    path: /path/to/htpasswd
http:
  addr: localhost:5000
  prefix: /
  host: https://myregistryaddress.org:5000
  secret: asecretforlocaldevelopment
  relativeurls: false
  draintimeout: 60s
  tls:
    certificate: /path/to/x509/public
    key: /path/to/x509/private
    clientcas:
      - /path/to/ca.pem
      - /path/to/another/ca.pem
    minimumtls: tls1.3
  debug:
    addr: localhost:5001
    prometheus:
      enabled: true
      path: /metrics
  headers:
    X-Content-Type-Options: [nosniff]
    X-Two: [a, b]
notifications:
  endpoints:
    - name: alistener
      disabled: false
      url: https://my.listener.com/event
      headers:
        Authorization: [Bearer abc]
      timeout: 1s
      threshold: 10
      backoff: 1s
      ignoredmediatypes:
        - application/octet-stream
      ignore:
        mediatypes:
           - application/x
        actions:
           - pull
    - name: off
      url: https://off.example/
      disabled: true
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
  file:
    - file: /path/to/checked/file
      interval: 20s
proxy:
  remoteurl: https://registry-1.docker.io
  username: someone
  password: hush
  ttl: 168h
validation:
  manifests:
    indexes:
      platforms: none
"""


def of(tmp_path: Path, text: str, **environment: str) -> Config:
    path = tmp_path / "config.yml"
    path.write_text(text)
    return load(str(path), environment=environment)


def line_of(key: str) -> int:
    return 1 + next(
        n for n, line in enumerate(DOCKERS.splitlines()) if line.strip().startswith(f"{key}:")
    )


def refusal(tmp_path: Path, text: str, **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        of(tmp_path, text, **environment)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_without_anything_there_are_defaults() -> None:
    config = load("", environment={"HOME": "/root"})
    assert config == Config()
    assert (config.http.addr, config.access.accounts, config.tls) == (":5000", None, None)


def test_dockers_own_keys_mean_the_same(tmp_path: Path) -> None:
    config = of(tmp_path, DOCKERS)
    assert config.http.addr == "localhost:5000"
    assert config.http.host == "https://myregistryaddress.org:5000"
    assert config.http.drain == 60
    assert config.http.headers == (
        ("X-Content-Type-Options", "nosniff"), ("X-Two", "a"), ("X-Two", "b"),
    )  # fmt: skip
    assert (config.storage.root, config.storage.delete) == ("/srv/images", True)
    assert (config.storage.read_only, config.storage.upload_age) == (False, 168 * 3600)
    assert config.limits.sparse_indexes
    assert config.access.accounts is not None
    assert config.access.accounts.path == "/path/to/htpasswd"
    assert config.access.accounts.realm == "basic-realm"
    assert config.tls is not None
    assert config.tls.client_cas == ["/path/to/ca.pem", "/path/to/another/ca.pem"]
    assert (config.tls.is_newest, config.tls.is_optional) == (True, False)
    watching = config.watching
    assert (watching.log.level, watching.log.style, watching.log.has_access) == (
        "debug", "json", False,
    )  # fmt: skip
    assert watching.log.fields == {"service": "registry", "environment": "staging"}
    assert (watching.debug.addr, watching.debug.metrics) == ("localhost:5001", "/metrics")
    assert watching.health.files == {"/path/to/checked/file": 20}
    (endpoint,) = watching.endpoints
    assert (endpoint.name, endpoint.timeout, endpoint.threshold) == ("alistener", 1, 10)
    assert endpoint.headers == {"Authorization": ["Bearer abc"]}
    assert endpoint.ignored_types == ["application/octet-stream", "application/x"]
    assert endpoint.ignored_actions == ["pull"]
    (upstream,) = config.upstreams
    assert (upstream.prefix, upstream.url) == ("", "https://registry-1.docker.io")
    assert "hush" not in repr(config)


def test_what_has_no_effect_is_named_with_its_line(tmp_path: Path) -> None:
    warnings = of(tmp_path, DOCKERS).warnings
    assert [text.split(" has no effect")[0].removeprefix(f"{tmp_path}/") for text in warnings] == [
        f"config.yml, line {line_of('maxthreads')}: storage.filesystem.maxthreads",
        f"config.yml, line {line_of('cache')}: storage.cache",
        f"config.yml, line {line_of('interval')}: storage.maintenance.uploadpurging.interval",
        f"config.yml, line {line_of('secret')}: http.secret",
        f"config.yml, line {line_of('ttl')}: proxy.ttl",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http:\n  adr: x\n", "config.yml, line 2: http.adr: no such setting (did you mean addr?)"),
        ("htp:\n  addr: x\n", "config.yml, line 1: htp: no such setting (did you mean http?)"),
        ("a: 1\nb: 2\n", "config.yml, line 1: a: no such setting\nconfig.yml, line 2: b: no such"),
        ("wharfie:\n  access:\n    rules:\n    - users: [a]\n      repos: [b]\n",
         "config.yml, line 5: wharfie.access.rules.0.repos: no such setting"),
        ("storage:\n  azure:\n    container: x\n", "line 2: storage.azure: this storage is not"),
        ("auth:\n  silly:\n    realm: x\n", "line 2: auth.silly: no serious use"),
        ("http:\n  tls:\n    certificate: a\n    key: b\n    letsencrypt:\n      email: x\n",
         "line 5: http.tls.letsencrypt: certificates come from files"),
        ("middleware:\n  registry:\n  - name: x\n", "line 1: middleware: middleware is not served"),
        ("http:\n  addr: 5000\n", "line 2: http.addr: a text is expected: put it in quotes"),
        ("http:\n  addr: nowhere\n", "line 2: http.addr: 'nowhere' is not of the form host:port"),
        ("http:\n  addr: ::1:5000\n", "line 2: http.addr: '::1:5000' has an IPv6 address without"),
        ("http:\n  net: unix\n", "line 2: http.net: only tcp is served"),
        ("http:\n  prefix: /reg/\n", "line 2: http.prefix: the API is served at /v2/"),
        ("http:\n  draintimeout: soon\n", "line 2: http.draintimeout: time: invalid duration"),
        ("http:\n  tls:\n    key: x\n", "line 2: http.tls: object missing required field"),
        ("http:\n  tls:\n    certificate: a\n    key: b\n    minimumtls: tls1.0\n",
         "line 5: http.tls.minimumtls: 'tls1.0' is none of tls1.2, tls1.3"),
        ("auth:\n  token:\n    realm: https://a/\n    issuer: a\n    service: b\n",
         "line 2: auth.token: rootcertbundle or jwks is needed"),
        ("auth:\n  token:\n    realm: ftp://a/\n    issuer: a\n    service: b\n    jwks: c\n",
         "line 3: auth.token.realm: unsupported protocol scheme"),
        ("auth:\n  htpasswd:\n    path: a\n  token:\n    realm: https://a/\n    issuer: a\n"
         "    service: b\n    jwks: c\n", "line 1: auth: htpasswd and token are there"),
        ("wharfie:\n  access:\n    tokens: {}\n",
         "line 3: wharfie.access.tokens: they are given to those of auth.htpasswd"),
        ("wharfie:\n  access:\n    trustedproxies: [here]\n",
         "line 3: wharfie.access.trustedproxies.0: 'here' is not a network"),
        ("wharfie:\n  upstreams:\n  - prefix: Hub\n    remoteurl: https://a\n",
         "line 3: wharfie.upstreams.0.prefix: 'Hub' begins no repository's name"),
        ("wharfie:\n  upstreams:\n  - prefix: a\n    remoteurl: https://u:p@a\n",
         "line 4: wharfie.upstreams.0.remoteurl: a URL with user information"),
        ("wharfie:\n  upstreams:\n  - prefix: a\n    remoteurl: https://a\n"
         "    passwordfile: /nonexistent/x\n",
         "line 5: wharfie.upstreams.0.passwordfile: cannot be read"),
        ("wharfie:\n  retention:\n  - keep: (\n", "line 3: wharfie.retention.0.keep: not a reg"),
        ("storage:\n  s3:\n    bucket: a\n    accesskey: b\n",
         "line 2: storage.s3: accesskey and secretkey go together"),
        ("storage:\n  s3:\n    bucket: a\n  filesystem:\n    rootdirectory: x\n",
         "line 1: storage: filesystem and s3 are there"),
        ("notifications:\n  endpoints:\n  - name: a\n    url: nowhere\n",
         "line 4: notifications.endpoints.0.url: unsupported protocol"),
        ("log:\n  level: loud\n", "line 2: log.level: 'loud' is none of error, warn"),
        ("- a\n", "line 1: the file is not a mapping"),
        ("http: {addr: x\n", "config.yml: line 1: a bracket is not closed"),
        ("http: {adr: x}\n", "line 1: http.adr: no such setting (did you mean addr?)"),
        ("http: 5\n", "line 1: http: expected `object`, got `int`"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)


def test_variables_are_dockers(tmp_path: Path) -> None:
    config = of(
        tmp_path, "http:\n  addr: :5000\nlog:\n  level: debug\n",
        REGISTRY_HTTP_ADDR="127.0.0.1:80",
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY="/elsewhere",
        REGISTRY_STORAGE_DELETE_ENABLED="true",
        REGISTRY_AUTH="htpasswd",
        REGISTRY_AUTH_HTPASSWD_REALM="Registry Realm",
        REGISTRY_AUTH_HTPASSWD_PATH="/auth/htpasswd",
        REGISTRY_PROXY_REMOTEURL="https://up.example",
        REGISTRY_PROXY_PASSWORD="0123",
        REGISTRY_NOTIFICATIONS_ENDPOINTS_0_NAME="n",
        REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URL="http://n/",
        REGISTRY_CONFIGURATION_PATH="/etc/x",
    )  # fmt: skip
    assert config.http.addr == "127.0.0.1:80"
    assert (config.storage.root, config.storage.delete) == ("/elsewhere", True)
    assert config.access.accounts is not None
    assert config.access.accounts.path == "/auth/htpasswd"
    assert config.upstreams[0].password == "0123"
    assert config.watching.endpoints[0].name == "n"
    assert config.watching.log.level == "debug"
    assert config.warnings == ()


def test_variables_that_name_nothing_are_told(tmp_path: Path) -> None:
    config = of(tmp_path, "", REGISTRY_PORT="tcp://1.2.3.4", REGISTRY_HTTP_SECRET="x")
    assert config.warnings == (
        "REGISTRY_PORT has no effect: no setting has this name",
        "REGISTRY_HTTP_SECRET: http.secret has no effect: uploads need no secret here",
    )


def test_a_variable_that_is_wrong_is_named(tmp_path: Path) -> None:
    text = refusal(tmp_path, "http:\n  addr: :5\n", REGISTRY_HTTP_ADDR="x")
    assert "REGISTRY_HTTP_ADDR: http.addr: 'x' is not of the form host:port" in text
    text = refusal(tmp_path, "", REGISTRY_STORAGE="azure")
    assert "storage.azure" in text
    assert "REGISTRY_HTTP_DRAINTIMEOUT" in refusal(tmp_path, "", REGISTRY_HTTP_DRAINTIMEOUT="x")


def test_flags_win(tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    path.write_text("http:\n  addr: :1\n")
    config = load(str(path), addr=":3", root="/r", environment={"REGISTRY_HTTP_ADDR": ":2"})
    assert (config.http.addr, config.storage.root) == (":3", "/r")


def test_our_own_keys(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("geheim\n")
    config = of(
        tmp_path,
        "auth:\n  htpasswd:\n    path: /h\nwharfie:\n  access:\n    rules:\n"
        "    - users: [anonymous]\n      repositories: ['public/**']\n    groups:\n"
        "      team: [alice, 'cert:ci']\n    tokens:\n      life: 2m\n    limits:\n"
        "      requests: 50\n    trustedproxies: [10.0.0.0/8]\n  upstreams:\n  - prefix: hub\n"
        f"    remoteurl: https://a\n    username: u\n    passwordfile: {secret}\n    ttl: 5m\n"
        "  gc:\n    interval: 1h\n    untagged: 24h\n  retention:\n  - repositories: ci/*\n"
        "    keeplast: 5\n    keepfor: 48h\n  quotas:\n  - repositories: '**'\n    size: 10GiB\n"
        "  limits:\n    manifest: 8MiB\n  page: false\n",
    )
    access = config.access
    assert access.rules is not None
    assert access.rules[0].users == ["anonymous"]
    assert access.rules[0].actions == ["pull"]
    assert access.tokens is not None
    assert (access.tokens.life, access.requests, access.burst) == (120, 50, 100)
    assert (config.upstreams[0].password, config.upstreams[0].ttl) == ("geheim", 300)
    assert (config.gc.interval, config.gc.untagged) == (3600, 86400)
    assert (config.retention[0].keep_last, config.retention[0].keep_for) == (5, 48 * 3600)
    assert config.storage.quotas[0].size == 10 << 30
    assert config.limits.manifest == 8 << 20
    assert not config.watching.has_page


def test_a_password_without_tls_is_warned_of(tmp_path: Path) -> None:
    text = "proxy:\n  remoteurl: {}\n  username: u\n  password: p\n"
    (warning,) = of(tmp_path, text.format("http://a")).warnings
    assert "line 2: proxy.remoteurl: the password is sent without TLS" in warning
    assert of(tmp_path, text.format("https://a")).warnings == ()


def test_s3(tmp_path: Path) -> None:
    config = of(
        tmp_path,
        "storage:\n  s3:\n    bucket: b\n    regionendpoint: minio.example:9000\n"
        "    secure: false\n    accesskey: a\n    secretkey: topsecret\n    rootdirectory: /x/y/\n"
        "    accelerate: false\n",
    )
    s3 = config.storage.s3
    assert s3 is not None
    assert (s3.endpoint, s3.prefix, s3.is_path_style) == ("http://minio.example:9000", "x/y", True)
    assert "topsecret" not in repr(config)
    assert "storage.s3.accelerate" in config.warnings[0]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("none", "binary"):
        with pytest.raises(ConfigError, match="cannot read"):
            load(str(tmp_path / name), environment={})


def test_every_key_that_is_not_served_says_why() -> None:
    assert all(text.removeprefix("!") for text in UNSERVED.values())
