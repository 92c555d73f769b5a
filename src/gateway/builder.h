// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The gateway is made by a forked process, because the parent must not enter the child's user
// namespace. In order: it enters the child's namespaces, makes the gateway's network namespace,
// joins the two by a veth pair, opens the sockets, installs the rules, and last brings the
// namespace's end up, so that no packet meets a gateway that is not ready. What it leaves behind is
// descriptors, which it sends to the parent; the gateway lives as long as one of them.
//
// Meanwhile the parent goes on, and so does the child: nothing in its set-up needs the interface.
#pragma once

#include "base/result.h"
#include "gateway/plan.h"
#include "gateway/sockets.h"
#include "ns/target_namespaces.h"
#include "sys/clock.h"
#include "sys/fd.h"
#include "sys/run_program.h"
#include "sys/seqpacket.h"

#include <sys/types.h>

namespace rk::gateway {

/// Which part of the kernel a step needs.
enum class Needs : unsigned char { kNothingSpecial, kVeth, kTproxy };

/// A gateway in the making.
class Builder {
 public:
    /// Starts to build. `plan` is copied into the new process.
    [[nodiscard]] static Result<Builder> start(const ns::TargetNamespaces& target,
                                               const Plan& plan);
    Builder(Builder&& other) noexcept;
    Builder& operator=(Builder&&) = delete;
    Builder(const Builder&) = delete;
    Builder& operator=(const Builder&) = delete;
    ~Builder();

    /// Waits for the end of the work; once. `interrupt` may end the wait, with the code EINTR.
    [[nodiscard]] Result<Sockets> finish(sys::Deadline deadline, const sys::Interrupt* interrupt);
    /// After a finish() that failed: what the step that failed needs of the kernel.
    [[nodiscard]] Needs needed() const { return needed_; }

 private:
    Builder(sys::Fd channel, pid_t pid, const Plan& plan);
    [[nodiscard]] Result<sys::PacketWithDescriptors> await(sys::Deadline deadline,
                                                           const sys::Interrupt* interrupt) const;

    sys::Fd channel_;
    pid_t pid_ = 0;
    unsigned workers_ = 0;
    Needs needed_ = Needs::kNothingSpecial;
};

}  // namespace rk::gateway
