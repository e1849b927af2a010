"""Runs the commands of a unit under what the unit forbids, in a network namespace of its own, where there is no systemd to
do it: mounts, capabilities and system calls as systemd 252 makes them of the directives (systemd.exec(5)), on x86-64.

as_unit.py UNIT JSON: {"program": [...], "root": DIR, "replace": {...}, "env": {...}, "run": ["ExecStart", ...], "look": [[...]]}
Prints a JSON list: for each command of "run" its status and standard error, and what each of "look" said behind it, outside the sandbox.
"""
import ctypes, json, os, re, shlex, struct, subprocess, sys

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 24, 38, 22
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
# New namespaces, in clone(2)'s flags.
NAMESPACES = 0x7E020000
KNOWN = set("""CapabilityBoundingSet NoNewPrivileges ProtectSystem ProtectHome PrivateTmp PrivateDevices ProtectClock ProtectHostname
ProtectKernelLogs ProtectKernelModules ProtectControlGroups ReadWritePaths RestrictAddressFamilies RestrictNamespaces RestrictRealtime
RestrictSUIDSGID LockPersonality SystemCallArchitectures SystemCallFilter UMask
Type RemainAfterExit Environment EnvironmentFile ExecStart ExecReload ExecStop TimeoutStartSec""".split())


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def service(path):
    told, within = {}, False
    for line in open(path):
        line = line.strip()
        if line.startswith("["):
            within = line == "[Service]"
        elif within and line and not line.startswith("#"):
            name, value = line.split("=", 1)
            told.setdefault(name, []).append(value)
    return told


def numbers():
    for header in ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"):
        if os.path.exists(header):
            return {n: int(v) for n, v in re.findall(r"#define __NR_(\w+)\s+(\d+)", open(header).read())}
    raise SystemExit("no unistd_64.h")


def calls(name):
    if not name.startswith("@"):
        return {name}
    lines = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout.splitlines()
    words = [line.strip() for line in lines[1:]]
    return set().union(*[calls(word) for word in words if word and not word.startswith("#")], set())


def seccomp(told):
    number, program = numbers(), []
    op = lambda code, k, jt=0, jf=0: program.append(struct.pack("HBBI", code, jt, jf, k & 0xFFFFFFFF))
    load = lambda at: op(0x20, at)
    answer = lambda what: op(0x06, what)
    load(4)
    op(0x15, 0xC000003E, 1, 0)  # SystemCallArchitectures=native
    answer(KILL)
    load(0)
    op(0x35, 0x40000000, 0, 1)  # x32
    answer(KILL)
    refuse = lambda name, errno: (op(0x15, number[name], 0, 1), answer(ERRNO | errno))
    # RestrictNamespaces: clone3's flags are out of a filter's sight.
    for name, errno in (("clone3", ENOSYS), ("unshare", EPERM), ("setns", EPERM)):
        refuse(name, errno)
    op(0x15, number["clone"], 0, 4)
    load(16)
    op(0x45, NAMESPACES, 0, 1)
    answer(ERRNO | EPERM)
    load(0)
    families = told["RestrictAddressFamilies"][0].split()
    known = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
    op(0x15, number["socket"], 0, len(families) + 3)
    load(16)
    for at, family in enumerate(families):
        op(0x15, known[family], len(families) - at, 0)
    answer(ERRNO | EAFNOSUPPORT)
    load(0)
    refuse("sched_setscheduler", EPERM)  # RestrictRealtime
    op(0x15, number["personality"], 0, 4)  # LockPersonality
    load(16)
    op(0x15, 0, 1, 0)
    answer(ERRNO | EPERM)
    load(0)
    for name in ("chmod", "fchmod"):  # RestrictSUIDSGID
        op(0x15, number[name], 0, 4)
        load(24)
        op(0x45, 0o6000, 0, 1)
        answer(ERRNO | EPERM)
        load(0)
    allowed = set()
    for line in told["SystemCallFilter"]:
        names = set().union(*[calls(word) for word in line.lstrip("~").split()])
        allowed = allowed - names if line.startswith("~") else allowed | names
    for name in sorted(allowed & set(number)):
        op(0x15, number[name], 0, 1)
        answer(ALLOW)
    answer(KILL)
    text = b"".join(program)
    room = ctypes.create_string_buffer(text, len(text))
    return room, struct.pack("HxxxxxxP", len(program), ctypes.addressof(room))


def mount(source, at, kind=None, flags=0, data=None):
    encode = lambda text: None if text is None else text.encode()
    check(libc.mount(encode(source), encode(at), encode(kind), flags, encode(data)), f"mount {at}")


def confine(told, root):
    check(libc.unshare(CLONE_NEWNS), "unshare")
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    # In the place of the host's: a lock of its own, and where the program lies however /tmp and /home look.
    mount("tmpfs", "/run", "tmpfs")
    os.mkdir("/run/program")
    mount(root, "/run/program", flags=MS_BIND | MS_REC)
    for hidden in ("/home", "/root", "/usr/lib/modules"):
        if os.path.isdir(hidden):
            mount("tmpfs", hidden, "tmpfs", MS_RDONLY, "mode=0")
    for fresh in ("/tmp", "/var/tmp"):
        mount("tmpfs", fresh, "tmpfs")
    mount("tmpfs", "/dev", "tmpfs")
    for at, (name, minor) in enumerate((("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9), ("tty", 0))):
        os.mknod(f"/dev/{name}", 0o666 | 0o020000, os.makedev(5 if name == "tty" else 1, minor))
    writable = {"/dev", "/proc", "/sys", "/run", "/tmp", "/var/tmp"}
    points = [line.split()[4] for line in open("/proc/self/mountinfo")]
    for point in sorted(set(points), key=len):
        if any(point == each or point.startswith(each + "/") for each in writable):
            continue
        # Some cannot be changed from here; those were read-only or are the kernel's.
        libc.mount(None, point.encode(), None, MS_REMOUNT | MS_BIND | MS_RDONLY, None)
    if os.path.isdir("/sys/fs/cgroup"):
        libc.mount(b"/sys/fs/cgroup", b"/sys/fs/cgroup", None, MS_BIND | MS_REC, None)
        libc.mount(None, b"/sys/fs/cgroup", None, MS_REMOUNT | MS_BIND | MS_RDONLY, None)
    if os.access("/etc/passwd", os.W_OK) and not os.statvfs("/etc").f_flag & os.ST_RDONLY:
        raise SystemExit("the sandbox is none: /etc can be written")
    os.chdir("/")
    os.umask(int(told["UMask"][0], 8))
    names = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}
    kept = {names[name] for name in told["CapabilityBoundingSet"][0].split()}
    last = int(open("/proc/sys/kernel/cap_last_cap").read())
    for each in range(last + 1):
        if each not in kept:
            check(libc.prctl(PR_CAPBSET_DROP, each, 0, 0, 0), "bounding set")
    mask = sum(1 << each for each in kept)
    header = struct.pack("II", 0x20080522, 0)
    check(libc.capset(header, struct.pack("IIIIII", mask, mask, 0, 0, 0, 0)), "capset")
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def main():
    told, asked = service(sys.argv[1]), json.loads(sys.argv[2])
    unknown = set(told) - KNOWN
    if unknown:
        raise SystemExit(f"directives that nothing here obeys: {sorted(unknown)}")
    check(libc.unshare(CLONE_NEWNET), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    room, filtered = seccomp(told)
    answers = []
    for step in asked["run"]:
        words = [word for word in shlex.split(told[step][0]) if not word.startswith("$")]
        program = [word.replace(asked["root"], "/run/program") for word in asked["program"]]
        words = program + [asked["replace"].get(word, word) for word in words[1:]] + asked.get("more", {}).get(step, [])
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(writing, 2)
                confine(told, asked["root"])
                check(libc.prctl(PR_SET_SECCOMP, 2, filtered, 0, 0), "seccomp")
                os.execvpe(words[0], words, asked["env"])
            except BaseException as error:
                os.write(2, f"not confined: {error!r}".encode())
            os._exit(99)
        os.close(writing)
        said = os.fdopen(reading).read()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        looks = [subprocess.run(look, capture_output=True, text=True).stdout for look in asked["look"]]
        answers.append({"step": step, "code": code, "stderr": said, "looks": looks})
    print(json.dumps(answers))


main()
