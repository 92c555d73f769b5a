// SPDX-License-Identifier: Apache-2.0
#include "relay/mailbox.h"

#include <cerrno>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

namespace rk::relay {

Result<std::unique_ptr<Mailbox>> Mailbox::create() {
    sys::Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event.valid()) {
        return fail(errno_error(errno, "eventfd"));
    }
    return std::unique_ptr<Mailbox>(new Mailbox(std::move(event)));  // NOLINT: private constructor
}

void Mailbox::post(Command command) {
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        first = waiting_.empty();
        waiting_.push_back(std::move(command));
    }
    if (first) {  // otherwise the worker has been woken for the ones before
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto told = ::write(event_.number(), &one, sizeof one);
    }
}

std::vector<Command> Mailbox::take() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto taken_off = ::read(event_.number(), &count, sizeof count);
    std::vector<Command> taken;
    const std::lock_guard lock(mutex_);
    taken.swap(waiting_);
    return taken;
}

}  // namespace rk::relay
