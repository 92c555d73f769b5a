# SPDX-License-Identifier: Apache-2.0
"""Flags, help, version and every message of a refused command line (spec cli.md 1.1 to 1.5)."""
import re

import pytest

from harness import contained, wait_until

FLAGS = """debug print-semver help version copy-up copy-up-mode propagation net mtu cidr ifname
disable-host-loopback ipv6 egress-deny egress-allow detach-netns lxc-user-nic-binary lxc-user-nic-bridge pasta-binary
slirp4netns-binary slirp4netns-sandbox slirp4netns-seccomp vpnkit-binary port-driver publish
source-ip-transparent pidns cgroupns utsns ipcns reaper evacuate-cgroup2 state-dir
subid-source source-ip-transparent-backend""".split()

CATEGORIES = ["Misc", "Mount", "Network", "Network [lxc-user-nic]", "Network [pasta]",
              "Network [slirp4netns]", "Network [vpnkit]", "Port", "Process", "State", "SubID"]


def refused(rk, *args, command=("true",), **kwargs):
    """Runs a command line that must be refused, and checks that nothing was created."""
    state = rk.state("must-not-exist")
    outcome = rk.run(f"--state-dir={state}", *args, *command, timeout=5, **kwargs)
    assert outcome.code == 1, outcome
    assert not state.exists(), f"--state-dir was created: {outcome}"
    assert not rk.leftover_files(), outcome
    return outcome


def error_of(outcome, who="parent"):
    errors = re.findall(rf"^\[rootlesskit:{who}\] error: (.*)$", outcome.err, re.M)
    assert len(errors) == 1, outcome
    return errors[0]


# --- help and version -----------------------------------------------------------------------------

def test_help_goes_to_standard_output_and_succeeds(rk):
    outcome = rk.run("--help").ok()
    assert outcome.err == ""
    for section in ("NAME:", "USAGE:", "VERSION:", "DESCRIPTION:", "OPTIONS:"):
        assert section in outcome.out


@pytest.mark.parametrize("flag", FLAGS)
def test_help_has_every_flag_as_a_word_of_its_own(rk, flag):
    # nerdctl: rootlesskit --help | grep -qw -- --detach-netns
    out = rk.run("--help").out
    assert re.search(rf"(?<![\w-])--{flag}(?![\w-])", out), out


def test_help_groups_the_options_by_category_in_alphabetical_order(rk):
    out = rk.run("--help").out
    options = [line.strip().rstrip(":") for line in out.partition("OPTIONS:")[2].splitlines()]
    found = [line for line in options if line in CATEGORIES]
    assert found == CATEGORIES


def test_help_shows_lists_twice_and_defaults(rk):
    out = rk.run("-h").ok().out
    assert re.search(r"--copy-up value \[ --copy-up value \]", out)
    assert re.search(r"--publish value, -p value \[ --publish value, -p value \]", out)
    assert re.search(r'--net value .*\(default: "host"\)', out)
    assert re.search(r"--mtu value .*\(default: 0\)", out)
    assert re.search(r"--pidns .*\(default: false\)", out)
    assert re.search(r"--source-ip-transparent\s.*\(default: true\)", out)
    for line in out.splitlines():
        if re.search(r"--(help|version),", line):
            assert "default" not in line


def test_help_mentions_the_network_drivers_that_scripts_look_for(rk):
    out = rk.run("--help").out
    for word in ("pasta", "slirp4netns", "vpnkit", "lxc-user-nic", "gvisor-tap-vsock", "builtin"):
        assert word in out


@pytest.mark.parametrize("flag", ["--version", "-v", "-version"])
def test_version_names_program_and_feature_level(rk, flag):
    outcome = rk.run(flag).ok()
    assert re.fullmatch(r"rootlesskit version 3\.3\.0(\+cxx\.\d+\.\d+\.\d+)?\n", outcome.out)


def test_help_wins_over_version(rk):
    assert "OPTIONS:" in rk.run("--version", "--help").ok().out


def test_help_and_version_after_the_command_belong_to_the_command(rk):
    assert rk.run("echo", "--help", "--version").ok().out == "--help --version\n"


@pytest.mark.parametrize("part,number", [("major", "3"), ("minor", "3"), ("patch", "0")])
def test_print_semver(rk, part, number):
    assert rk.run(f"--print-semver={part}").ok().out == number + "\n"


def test_print_semver_of_something_else(rk):
    outcome = refused(rk, "--print-semver=foo")
    assert error_of(outcome) == 'expected --print-semver=(major|minor|patch), got "foo"'


# --- the grammar ----------------------------------------------------------------------------------

def test_no_command(rk):
    assert error_of(refused(rk, command=())) == "no command specified"


def test_no_command_after_the_double_dash(rk):
    assert error_of(refused(rk, "--", command=())) == "no command specified"


@pytest.mark.parametrize("args,error", [
    (["--foo"], "flag provided but not defined: -foo"),
    (["-foo=1"], "flag provided but not defined: -foo"),
    (["--mtu=abc"], 'invalid value "abc" for flag -mtu: parse error'),
    (["--mtu", "abc"], 'invalid value "abc" for flag -mtu: parse error'),
    (["--pidns=maybe"], 'invalid boolean value "maybe" for -pidns: parse error'),
    (["-ipv6=2"], 'invalid boolean value "2" for -ipv6: parse error'),
])
def test_usage_errors_print_the_help_and_the_error(rk, args, error):
    outcome = refused(rk, *args)
    assert error_of(outcome) == error
    first, blank, *rest = outcome.lines()
    assert first == f"Incorrect Usage: {error}"
    assert blank == ""
    assert "OPTIONS:" in "\n".join(rest)


@pytest.mark.parametrize("flag", ["net", "mtu", "copy-up", "p", "publish"])
def test_missing_value(rk, flag):
    outcome = refused(rk, f"-{flag}", command=())
    assert error_of(outcome) == f"flag needs an argument: -{flag}"


def test_out_of_range_integer_does_not_crash(rk):
    outcome = refused(rk, "--mtu=99999999999999999999")
    assert 'invalid value "99999999999999999999" for flag -mtu' in error_of(outcome)


def test_two_spellings_of_one_flag(rk):
    outcome = refused(rk, "-p", "127.0.0.1:1:1/tcp", "--publish", "127.0.0.1:2:2/tcp")
    assert error_of(outcome) == "Cannot use two forms of the same flag: p publish"


@pytest.mark.parametrize("args", [["-net", "none"], ["--net", "none"], ["-net=none"],
                                  ["--net=none"]])
def test_spellings_of_a_value(rk, args):
    host = rk.other("readlink", "/proc/self/ns/net").ok().out
    assert rk.run(*args, "readlink", "/proc/self/ns/net").ok().out != host


@pytest.mark.parametrize("value", "1 t T true TRUE True".split())
def test_true_booleans(rk, value):
    assert rk.sh(f"--pidns={value}", "echo $$").ok().out == "2\n"


@pytest.mark.parametrize("value", "0 f F false FALSE False".split())
def test_false_booleans(rk, value):
    here = rk.other("readlink", "/proc/self/ns/pid").ok().out
    assert rk.run(f"--pidns={value}", "readlink", "/proc/self/ns/pid").ok().out == here


def test_booleans_never_take_the_next_argument(rk):
    directory = rk.script("false", "echo I am the command called false; exit 3\n")
    outcome = rk.run("--pidns", "false", env=rk.path_first(directory))
    assert (outcome.code, outcome.out) == (3, "I am the command called false\n")


@pytest.mark.parametrize("spelling", ["1500", "0x5dc", "0o2734", "02734", "0b10111011100", "1_500"])
def test_integers_take_bases_and_underscores(rk, spelling):
    outcome = rk.run(f"--mtu={spelling}", "true").ok()
    assert "unsupported mtu for --net=host: 1500" in outcome.err


def test_repeated_scalar_flag_takes_the_last_value(rk):
    # BuildKit's tests: --net=host --mtu=0 ... --mtu=0
    outcome = rk.run("--mtu=1500", "--net=none", "--net=host", "--mtu=0", "true").ok()
    assert "mtu" not in outcome.err


def test_arguments_of_the_command_are_not_touched(rk):
    out = rk.run("printf", "%s|", "-net", "--", "", "a b", "--data-root=x", "-").ok().out
    assert out == "-net|--||a b|--data-root=x|-|"


def test_double_dash_is_consumed_once(rk):
    assert rk.run("--", "printf", "%s|", "--", "x").ok().out == "--|x|"


def test_single_dash_is_the_command(rk):
    outcome = rk.run("-", "x")
    assert outcome.code == 1 and "no command specified" not in outcome.err
    assert 'exec: "-": executable file not found in $PATH' in outcome.err


def test_state_dir_with_the_value_in_the_next_argument(rk):
    out = rk.run("--state-dir", rk.state(), "printenv", "ROOTLESSKIT_STATE_DIR").ok().out
    assert out.strip() == str(rk.state())


def test_program_name_does_not_matter(rk):
    link = rk.base / "docker-rootlesskit"
    link.symlink_to(rk.exe)
    assert rk.run("id", "-u", exe=[link]).ok().out == "0\n"


# --- refused values -------------------------------------------------------------------------------

REFUSED = [
    (["--evacuate-cgroup2=x"], "evacuate-cgroup2 requires --cgroupns"),
    (["--evacuate-cgroup2=x", "--pidns"], "evacuate-cgroup2 requires --cgroupns"),
    (["--evacuate-cgroup2=x", "--cgroupns"], "evacuate-cgroup2 requires --pidns"),
    (["--mtu=65522"], "mtu must be <= 65521, got 65522"),
    (["--mtu=-1"], "mtu must be <= 65521, got -1"),
    (["--net=none", "--mtu=70000"], "mtu must be <= 65521, got 70000"),
    (["--cidr=foo"], "invalid CIDR address: foo"),
    (["--cidr=10.0.2.0"], "invalid CIDR address: 10.0.2.0"),
    (["--cidr=10.0.2.0/33"], "invalid CIDR address: 10.0.2.0/33"),
    (["--cidr=10.0.2.100/24"], "cidr must be like 10.0.2.0/24, not like 10.0.2.100/24"),
    (["--ifname=a/b"], 'ifname must not contain "/"'),
    (["--net=host", "--cidr=10.0.2.0/24"], "custom cidr is not supported for --net=host"),
    (["--net=none", "--cidr=10.0.2.0/24"], "custom cidr is not supported for --net=none"),
    (["--net=host", "--ifname=eth0"], "ifname cannot be specified for --net=host"),
    (["--net=none", "--ifname=eth0"], "ifname cannot be specified for --net=none"),
    (["--net=foo"], "unknown network mode: foo"),
    (["--port-driver=foo"], "unknown port driver: foo"),
    (["--port-driver=implicit"], "port driver requires pasta network (or builtin)"),
    (["--port-driver=slirp4netns"], "port driver requires slirp4netns network"),
    (["--port-driver=builtin"], "port driver requires non-host network"),
    (["--port-driver=gvisor-tap-vsock"], "port driver requires non-host network"),
    (["--net=none", "--port-driver=implicit"],
     'network "none" requires either port driver "none" or "builtin"'),
    (["--net=none", "--port-driver=slirp4netns"],
     'network "none" requires either port driver "none" or "builtin"'),
    (["-p", "127.0.0.1:8080:80/tcp"], 'port driver "none" does not support publishing ports'),
    (["--net=none", "-p", "127.0.0.1:8080:80/tcp"],
     'port driver "none" does not support publishing ports'),
    (["--reaper=foo"], "unknown reaper mode: foo"),
    (["--copy-up-mode=foo", "--copy-up=/etc"], "unknown copy-up mode: foo"),
    (["--propagation=shared", "--copy-up=/etc"],
     "propagation shared does not support copy-up driver tmpfs+symlink"),
    (["--propagation=rshared", "--copy-up=/etc"],
     "propagation rshared does not support copy-up driver tmpfs+symlink"),
    (["--copy-up=/tmp"], "/tmp cannot be copied up"),
    (["--copy-up=/tmp/"], "/tmp cannot be copied up"),
    (["--copy-up=/var/../tmp"], "/tmp cannot be copied up"),
]


@pytest.mark.parametrize("args,error", REFUSED,
                         ids=lambda v: " ".join(v) if type(v) is list else "")
def test_refused_before_anything_is_created(rk, args, error):
    assert error_of(refused(rk, *args)) == error


@pytest.mark.parametrize("source", ["foo", "AUTO"])
def test_unknown_subid_source(rk, source):
    assert f'unknown subid source "{source}"' in error_of(refused(rk, f"--subid-source={source}"))


@pytest.mark.parametrize("mode", ["foo", "rprivat", "private,slave"])
def test_unknown_propagation_is_an_error(rk, mode):  # known-defects D23
    assert mode in error_of(refused(rk, f"--propagation={mode}"))


@pytest.mark.parametrize("directory", ["/", "//", "/etc/..", "/."])
def test_copy_up_of_the_root_directory(rk, directory):
    outcome = rk.run("--subid-source=none", f"--copy-up={directory}", "true", prefix=contained(rk))
    assert (outcome.code, outcome.out) == (1, ""), outcome
    assert "cannot be copied up" in error_of(outcome)


@pytest.mark.parametrize("name", ["a/b", "/", "."])
def test_evacuation_into_a_bad_name(rk, name):
    error = error_of(refused(rk, f"--evacuate-cgroup2={name}", "--cgroupns", "--pidns"))
    assert "evacuate" in error or name in error


def test_existing_state_dir_is_not_touched_by_a_refused_run(rk):
    rk.state().mkdir()
    (rk.state() / "mine").write_text("precious")
    outcome = rk.run(f"--state-dir={rk.state()}", "--mtu=70000", "true")
    assert outcome.code == 1
    assert [p.name for p in rk.state().iterdir()] == ["mine"]


OF_DRIVERS = [
    (["--net=vpnkit", "--cidr=10.0.2.0/24"], "custom cidr is not supported for --net=vpnkit"),
    (["--net=lxc-user-nic", "--cidr=10.0.2.0/24"],
     "custom cidr is not supported for --net=lxc-user-nic"),
    (["--net=pasta", "--port-driver=builtin"],
     'network "pasta" requires port driver "none" or "implicit"'),
    (["--net=gvisor-tap-vsock", "--ipv6"], "--ipv6 is not supported for gvisor-tap-vsock"),
    (["--net=slirp4netns", "--slirp4netns-sandbox=foo"],
     'unsupported slirp4netns-sandbox mode: "foo"'),
    (["--net=slirp4netns", "--slirp4netns-sandbox=true", "--detach-netns"],
     "--slirp4netns-sandbox conflicts with --detach-netns"),
    (["--net=pasta", "--pasta-binary=does-not-exist"],
     'exec: "does-not-exist": executable file not found in $PATH'),
    (["--net=slirp4netns", "--slirp4netns-binary=does-not-exist"],
     'exec: "does-not-exist": executable file not found in $PATH'),
    (["--net=vpnkit", "--vpnkit-binary=does-not-exist"],
     'exec: "does-not-exist": executable file not found in $PATH'),
    (["--net=none", "--egress-deny=10.0.0.0/8"],
     "--egress-deny is not supported for --net=none, only for --net=builtin"),
    (["--net=builtin", "--egress-allow=10.0.0.1/8"],
     '--egress-allow: egress rule "10.0.0.1/8": host bits are set; the network is 10.0.0.0/8'),
]


@pytest.mark.parametrize("args,error", OF_DRIVERS, ids=lambda v: " ".join(v) if type(v) is list else "")
def test_refused_driver_options(rk, args, error):
    outcome = refused(rk, *args)
    assert error in error_of(outcome), outcome


# --- accepted -------------------------------------------------------------------------------------

@pytest.mark.parametrize("args", [
    ["--disable-host-loopback"], ["--slirp4netns-sandbox=auto", "--slirp4netns-seccomp=auto"],
    ["--net=host", "--mtu=0", "--port-driver=none"], ["--source-ip-transparent=false"],
    ["--lxc-user-nic-bridge=br0", "--pasta-binary=/no/such", "--vpnkit-binary=/no/such"],
    ["--copy-up-mode=tmpfs+symlink"], ["--subid-source="], ["--mtu=65521"], ["--debug"],
    ["--source-ip-transparent-backend=auto"], ["--slirp4netns-sandbox=", "--net=host"],
], ids=" ".join)
def test_flags_without_effect_on_the_host_network_are_accepted(rk, args):
    rk.run(*args, "true").ok()


def test_disable_host_loopback_is_not_recommended_without_a_network(rk):
    assert rk.run("--net=none", "true").ok().err == ""


# --- log lines ------------------------------------------------------------------------------------

LOGRUS = (r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)" level=(\w+) '
          r'msg=("(?:[^"\\]|\\.)*"|\S+)')


def test_warnings_are_logrus_lines_on_standard_error(rk):
    outcome = rk.run("--mtu=1500", "true").ok()
    (line,) = outcome.err.splitlines()
    match = re.fullmatch(LOGRUS, line)
    assert match, line
    assert match.groups()[1:] == ("warning",
                                  '"[rootlesskit:parent] unsupported mtu for --net=host: 1500"')
    assert outcome.out == ""


@pytest.mark.parametrize("net", ["host", "none"])
def test_ipv6_warnings(rk, net):
    err = rk.run(f"--net={net}", "--ipv6", "true").ok().err
    assert "ipv6 is experimental" in err
    assert f"--ipv6 is discarded for --net={net}" in err


def test_debug_lines_of_parent_and_child(rk):
    err = rk.run("--debug", "true").ok().err
    for who in ("parent", "child "):
        assert re.search(rf'level=debug msg="\[rootlesskit:{who}\] ', err), err
    assert all(re.match(LOGRUS, line) for line in err.splitlines()), err


def test_nothing_is_logged_without_a_reason(rk):
    outcome = rk.run("true").ok()
    assert (outcome.out, outcome.err) == ("", "")


def test_warnings_on_a_terminal_are_coloured_and_short(rk):
    terminal = rk.terminal(rk.exe, "--mtu=1500", "true")
    assert terminal.wait() == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.text)
    assert plain != terminal.text
    assert re.search(r"^WARN\[0000\] \[rootlesskit:parent\] unsupported mtu for --net=host: "
                     r"1500 *\r?$",
                     plain, re.M), terminal.text


def test_a_full_log_pipe_does_not_matter_to_the_exit_code(rk):
    # stderr closed for reading: the command's status must still come through.
    outcome = rk.other("sh", "-c",
                       '(exec "$0" --debug sh -c "exit 7"; echo $? >&3) 3>&1 2>&1 >/dev/null '
                       '| cat', rk.exe)
    assert outcome.code == 0
    err_closed = rk.other("sh", "-c", '"$0" --debug sh -c "exit 7" 2>&-; echo $?', rk.exe)
    assert err_closed.out == "7\n"
    wait_until(lambda: not rk.leftover_files())
