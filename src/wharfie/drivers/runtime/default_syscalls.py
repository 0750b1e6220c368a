"""The built-in system call filter: which calls a container may make, as data.

An allow list: what is not named fails with EPERM, what the kernel got later with ENOSYS. Left
out on purpose are calls that reach the host: modules, kexec, reboot, clocks, swap, accounting,
keyrings, raw I/O ports, namespaces and mounts, BPF, performance events, userfaultfd, io_uring
(a way around this very filter), file handles and obsolete calls. Some of them come back with the
capability that governs them.

Source: Docker docs, "Seccomp security profiles for Docker"; capabilities(7); the names are those
libseccomp knows.
"""

from __future__ import annotations

ALWAYS = """
accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair

access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat
faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32
fchownat fcntl fcntl64 fdatasync file_getattr file_setattr flock fstat fstat64 fstatat64 fstatfs
fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 ioctl lchown lchown32
link linkat lseek _llseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat
open openat openat2 pipe pipe2 read readahead readlink readlinkat rename renameat renameat2 rmdir
stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs truncate truncate64
umask unlink unlinkat utime utimensat utimensat_time64 utimes

pread64 preadv preadv2 pwrite64 pwritev pwritev2 readv sendfile sendfile64 splice tee vmsplice
write writev

fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat
llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat

epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1
inotify_rm_watch _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select signalfd
signalfd4

io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit

brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret
mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap
pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages

alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
clock_nanosleep clock_nanosleep_time64 adjtimex getitimer gettimeofday nanosleep setitimer time
timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64
times

capget capset execve execveat exit exit_group fork getcpu getegid getegid32 geteuid geteuid32
getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid getpriority getrandom
getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid gettid
get_thread_area getuid getuid32 ioprio_get ioprio_set pause prctl prlimit64 restart_syscall rseq
sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min
sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity
sched_setattr sched_setparam sched_setscheduler sched_yield seccomp setfsgid setfsgid32 setfsuid
setfsuid32 setgid setgid32 setgroups setgroups32 setpgid setpriority setregid setregid32 setresgid
setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid
set_thread_area set_tid_address setuid setuid32 sysinfo ugetrlimit uname vfork wait4 waitid waitpid

kill pidfd_open pidfd_send_signal rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack
sigprocmask sigreturn tgkill tkill

futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake

ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop
semtimedop_time64 shmat shmctl shmdt shmget

landlock_add_rule landlock_create_ruleset landlock_restrict_self listmount statmount
"""

TRACING = "process_vm_readv process_vm_writev ptrace"
"""Allowed to all since Linux 4.8, where ptrace no longer runs around seccomp."""
TRACING_KERNEL = (4, 8)

BY_ARCHITECTURE: dict[str, str] = {
    "x86_64": "arch_prctl modify_ldt uretprobe",
    "i686": "modify_ldt",
    "aarch64": (
        "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2"
    ),
    "armv7l": (
        "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2"
    ),
    "ppc64le": "sync_file_range2 swapcontext",
    "riscv64": "riscv_flush_icache riscv_hwprobe",
    "s390x": "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr",
}
"""Further calls by `uname -m`."""

BY_CAPABILITY: dict[str, str] = {
    "CAP_BPF": "bpf",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYS_ADMIN": (
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie "
        "lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount "
        "open_tree open_tree_attr perf_event_open quotactl quotactl_fd setdomainname sethostname "
        "setns syslog umount umount2 unshare"
    ),
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module finit_module init_module",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": (
        "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"
    ),
    "CAP_SYS_RAWIO": "ioperm iopl",
    "CAP_SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
    "CAP_SYS_TTY_CONFIG": "vhangup",
    "CAP_SYSLOG": "syslog",
}
"""Calls that come with a capability; file permissions and the kernel's own checks still hold."""

PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
"""Linux, 32-bit Linux, both with UNAME26, and the query."""

REFUSED_FAMILIES = frozenset({12, 19, 20, 23, 25, 34, 37, 38, 40})
"""Address families `socket` refuses: dead ones (DECnet, Econet, ATM SVC, IrDA, Wanpipe, IUCV,
CAIF), the kernel's crypto (ALG), and VSOCK, which is not namespaced and reaches the hypervisor."""
LAST_FAMILY = 45

NAMESPACE_FLAGS = 0x7E020000
"""CLONE_NEW* of `clone`: NS, CGROUP, UTS, IPC, USER, PID, NET."""
