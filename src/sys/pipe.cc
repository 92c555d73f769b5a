// SPDX-License-Identifier: Apache-2.0
#include "sys/pipe.h"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace rk::sys {

namespace {

// 0..3 would be overwritten while the program's own are put in place; they are free only where our
// caller closed them.
constexpr int kLowest = 4;

}  // namespace

Result<Fd> above_spawned(Fd fd) {
    if (fd.number() >= kLowest) {
        return fd;
    }
    const int number = ::fcntl(fd.number(), F_DUPFD_CLOEXEC, kLowest);
    if (number < 0) {
        return fail(errno_error(errno, "duplicate a pipe"));
    }
    return Fd(number);
}

Result<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) {
        return fail(errno_error(errno, "pipe"));
    }
    Fd reader(ends[0]);
    Fd writer(ends[1]);
    // Only our end: the program's is a file description of its own and stays blocking.
    if (::fcntl(reader.number(), F_SETFL, O_NONBLOCK) < 0) {
        return fail(errno_error(errno, "make a pipe non-blocking"));
    }
    Pipe pipe;
    pipe.read_end = TRY(above_spawned(std::move(reader)));
    pipe.write_end = TRY(above_spawned(std::move(writer)));
    return pipe;
}

}  // namespace rk::sys
