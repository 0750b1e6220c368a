"""The flags of `build`: Docker's classic ones and BuildKit's, as their help shows them."""

FLAGS = """
--add-host list  Add a custom host-to-IP mapping ("host:ip")
--allow strings  Allow extra privileged entitlement (e.g., "network.host", "security.insecure")
%--annotation list  Add annotation to the image
%--attest list  Attestation parameters (format: "type=sbom,generator=image")
--build-arg list  Set build-time variables
--build-context list  Additional build contexts (e.g., name=path)
%--builder string  Override the configured builder instance
--cache-from strings  Images to consider as cache sources
%--cache-to strings  Cache export destinations (e.g., "type=inline")
--call string  Set method for evaluating build ("check", "outline", "targets") (default "build")
--cgroup-parent string  Set the parent cgroup for the "RUN" instructions during build
--check  Shorthand for "--call=check"
--compress  Compress the build context using gzip
--cpu-period int  Limit the CPU CFS (Completely Fair Scheduler) period
--cpu-quota int  Limit the CPU CFS (Completely Fair Scheduler) quota
-c, --cpu-shares int  CPU shares (relative weight)
--cpuset-cpus string  CPUs in which to allow execution (0-3, 0,1)
--cpuset-mems string  MEMs in which to allow execution (0-3, 0,1)
--disable-content-trust  Skip image verification (default true)
-f, --file string  Name of the Dockerfile (Default is "PATH/Dockerfile")
--force-rm  Always remove intermediate containers
--iidfile string  Write the image ID to the file
--isolation string  Container isolation technology
--label list  Set metadata for an image
%--load  Shorthand for "--output=type=docker"
-m, --memory bytes  Memory limit
--memory-swap bytes  Swap limit equal to memory plus swap: -1 to enable unlimited swap
--metadata-file string  Write build result metadata to a file
--network string  Set the networking mode for the RUN instructions during build (default "default")
--no-cache  Do not use cache when building the image
--no-cache-filter strings  Do not cache specified stages
-o, --output list  Output destination (format: "type=local,dest=path")
--platform string  Set platform if server is multi-platform capable
--progress string  Set type of progress output ("auto", "quiet", "plain", "tty", "rawjson"). Use plain to show container output (default "auto")
%--provenance string  Shorthand for "--attest=type=provenance"
--pull  Always attempt to pull a newer version of the image
--push  Push the image after it was built
-q, --quiet  Suppress the build output and print image ID on success
--rm  Remove intermediate containers after a successful build (default true)
%--sbom string  Shorthand for "--attest=type=sbom"
--secret list  Secret to expose to the build (format: "id=mysecret[,src=/local/secret]")
--security-opt strings  Security options
--shm-size bytes  Size of "/dev/shm"
--squash  Squash newly built layers into a single new layer
--ssh list  SSH agent socket or keys to expose to the build (format: "default|<id>[=<socket>|<key>[,<key>]]")
-t, --tag list  Name and optionally a tag in the "name:tag" format
--target string  Set the target build stage to build.
--ulimit ulimit  Ulimit options (default [])
"""  # noqa: E501
