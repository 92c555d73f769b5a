// SPDX-License-Identifier: Apache-2.0
#include "ns/id_map_writer.h"

#include "base/text.h"
#include "ns/helper_program.h"
#include "sys/file.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace rk::ns {

namespace {

constexpr std::string_view kTask = "failed to setup UID/GID map";
// Of what a program printed, this much is in our one error line (bytes).
constexpr std::size_t kMaxShownOutput = 1024;

// How long to wait, and for what else.
struct Patience {
    sys::Deadline deadline;
    const sys::Interrupt* interrupt = nullptr;
};

// One run of newuidmap or newgidmap.
class MapProgram {
 public:
    MapProgram(std::string name, pid_t child, const model::IdMap& map) {
        const std::vector<std::string> triples = model::id_map_arguments(map);
        shown_ = fmt::format("{} {} [{}] failed", name, child, join(triples, " "));
        arguments_ = {name, fmt::format("{}", child)};
        arguments_.insert(arguments_.end(), triples.begin(), triples.end());
        failure_.program = std::move(name);
    }

    IdMapResult start(const sys::Environment& environment) {
        auto path = sys::look_up_program(failure_.program, environment.get("PATH").value_or(""));
        if (!path) {
            return refuse(IdMapStep::kFindProgram, std::move(path).error());
        }
        failure_.program_path = *path;
        auto running = sys::RunningProgram::start(
            *path, arguments_, helper_environment(environment), sys::no_signals());
        if (!running) {
            return refuse(IdMapStep::kStartProgram, std::move(running).error());
        }
        running_ = std::move(*running);
        return {};
    }

    IdMapResult finish(const Patience& patience) {
        auto outcome = running_->wait(patience.deadline, patience.interrupt);
        if (!outcome) {
            return refuse(IdMapStep::kRunProgram, std::move(outcome).error());
        }
        if (outcome->success()) {
            return {};
        }
        failure_.status = outcome->status;
        failure_.timed_out = outcome->timed_out;
        failure_.output = std::move(outcome->output);
        return refuse(IdMapStep::kRunProgram, run_error(*outcome));
    }

 private:
    [[nodiscard]] Error run_error(const sys::ProgramOutcome& outcome) const {
        const std::string_view said = trim(failure_.output).substr(0, kMaxShownOutput);
        return Error{fmt::format("{}{}{}", said, said.empty() ? "" : ": ", outcome.status_text()),
                     outcome.timed_out ? ETIMEDOUT : errno_in(failure_.output)};
    }

    // The errno a program printed with strerror(3); LC_ALL=C makes the texts known.
    static int errno_in(std::string_view output) {
        for (const int code : {EPERM, EINVAL, EACCES, ENOENT, ENOSYS, ENOSPC, EUSERS}) {
            if (output.find(strerrordesc_np(code)) != std::string_view::npos) {
                return code;
            }
        }
        return 0;
    }

    tl::unexpected<IdMapFailure> refuse(IdMapStep step, Error cause) {
        failure_.step = step;
        failure_.error = std::move(cause).with_context(shown_).with_context(kTask);
        return tl::unexpected<IdMapFailure>(std::move(failure_));
    }

    std::vector<std::string> arguments_;
    std::string shown_;
    std::optional<sys::RunningProgram> running_;
    IdMapFailure failure_;
};

IdMapResult run_programs(pid_t child, const IdMaps& maps, const sys::Environment& environment,
                         const Patience& patience) {
    MapProgram newuidmap("newuidmap", child, maps.uids);
    MapProgram newgidmap("newgidmap", child, maps.gids);
    if (auto started = newuidmap.start(environment); !started) {
        return started;
    }
    const IdMapResult gid_started = newgidmap.start(environment);
    if (auto finished = newuidmap.finish(patience); !finished) {
        return finished;
    }
    return gid_started ? newgidmap.finish(patience) : gid_started;
}

std::string own_line(const model::IdMap& map) {
    return fmt::format("{} {} {}\n", map.front().inside, map.front().outside, map.front().length);
}

// user_namespaces(7): without privileges one line, for the writer's own effective ID, and the group
// only after setgroups(2) was denied for good.
IdMapResult write_own_ids(pid_t child, const IdMaps& maps) {
    const std::array<std::pair<std::string_view, std::string>, 3> writes = {{
        {"setgroups", "deny"},
        {"uid_map", own_line(maps.uids)},
        {"gid_map", own_line(maps.gids)},
    }};
    for (const auto& [name, text] : writes) {
        auto written = sys::write_existing(fmt::format("/proc/{}/{}", child, name), text);
        if (!written) {
            IdMapFailure failure;
            failure.step = IdMapStep::kWriteFile;
            failure.error = std::move(written).error().with_context(kTask);
            return tl::unexpected<IdMapFailure>(std::move(failure));
        }
    }
    return {};
}

}  // namespace

IdMaps make_id_maps(const UserIdentity& user, const SubidRanges& ranges) {
    return IdMaps{.uids = model::make_id_map(user.uid, ranges.uids),
                  .gids = model::make_id_map(user.gid, ranges.gids)};
}

IdMapResult write_id_maps(model::SubidSource source, pid_t child, const IdMaps& maps,
                          const sys::Environment& environment, sys::Deadline deadline,
                          const sys::Interrupt* interrupt) {
    if (source == model::SubidSource::kNone) {
        return write_own_ids(child, maps);
    }
    return run_programs(child, maps, environment, Patience{deadline, interrupt});
}

}  // namespace rk::ns
