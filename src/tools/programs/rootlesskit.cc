// SPDX-License-Identifier: Apache-2.0
//
// rootlesskit: flags -> options -> launch. The same program is the parent the user starts and the
// child inside; the child knows itself by the channel it was given.
#include "base/log.h"
#include "launch/child.h"
#include "launch/names.h"
#include "launch/parent.h"
#include "sys/environment.h"
#include "sys/process.h"
#include "sys/signals.h"
#include "sys/standard_fds.h"
#include "tools/command_line.h"

#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include <unistd.h>

namespace {

rk::Logger make_logger(std::string id, bool debug) {
    return rk::Logger({.id = std::move(id),
                       .debug = debug,
                       .fd = STDERR_FILENO,
                       .terminal = ::isatty(STDERR_FILENO) == 1});
}

int run_child(rk::model::Options options, rk::sys::Environment environment,
              rk::launch::Channel channel) {
    const rk::Logger log = make_logger("child ", options.debug);
    return rk::launch::Child(std::move(options), std::move(environment), log, std::move(channel))
        .run();
}

// The signal that ended the set-up ends this process too, as it would have without our clean-up.
void die_from(int signal_number) {
    static_cast<void>(::signal(signal_number, SIG_DFL));
    const sigset_t only =
        rk::sys::set_of(std::uint64_t{1} << static_cast<unsigned>(signal_number - 1));
    ::sigprocmask(SIG_UNBLOCK, &only, nullptr);
    ::kill(::getpid(), signal_number);
}

int run_parent(rk::tools::Run run, std::vector<std::string> argv, rk::sys::Environment environment,
               const sigset_t& callers_mask) {
    const rk::Logger log = make_logger("parent", run.options.debug);
    for (const std::string& warning : run.warnings) {
        log.warn("{}", warning);
    }
    rk::launch::ParentInput input;
    input.options = std::move(run.options);
    input.argv = std::move(argv);
    input.environment = std::move(environment);
    input.version = RK_VERSION;
    input.signal_mask = rk::sys::mask_of(callers_mask);
    input.sigchld_ignored = rk::sys::is_ignored(SIGCHLD);
    // Ignored, it would reap our children unseen (waitpid(2)).
    static_cast<void>(::signal(SIGCHLD, SIG_DFL));
    const rk::launch::ParentOutcome outcome = rk::launch::Parent(std::move(input), log).run();
    if (!outcome.fatal.empty()) {
        log.fatal(outcome.fatal);
    }
    if (outcome.diagnosis) {
        rk::doctor::print(log, *outcome.diagnosis);
    }
    if (outcome.interrupted_by != 0) {
        die_from(outcome.interrupted_by);
    }
    return outcome.exit_code;
}

int finish(const rk::tools::Exit& exit) {
    static_cast<void>(std::fwrite(exit.to_stdout.data(), 1, exit.to_stdout.size(), stdout));
    if (std::fflush(stdout) != 0) {
        make_logger("parent", false).fatal("cannot write to standard output");
        return 1;
    }
    if (!exit.fatal.empty()) {
        make_logger("parent", false).fatal(exit.fatal);
    }
    return exit.code;
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): only where memory is out
int main(int argc, char** argv) {
    rk::sys::open_missing_standard_fds();
    const sigset_t callers_mask = rk::sys::block_all_signals();
    std::vector<std::string> arguments(argv, argv + argc);
    if (arguments.empty()) {
        arguments.emplace_back("rootlesskit");  // execve(2) with an empty argv
    }
    rk::sys::Environment environment = rk::sys::Environment::of_process();
    rk::tools::CommandLineResult result = rk::tools::parse_command_line(arguments, RK_VERSION);
    if (const auto* exit = std::get_if<rk::tools::Exit>(&result)) {
        return finish(*exit);
    }
    auto& run = std::get<rk::tools::Run>(result);
    if (auto channel = rk::launch::adopt_child_channel(environment)) {
        return run_child(std::move(run.options), std::move(environment), std::move(*channel));
    }
    environment.remove(rk::launch::kChildVariable);
    return run_parent(std::move(run), std::move(arguments), std::move(environment), callers_mask);
}
