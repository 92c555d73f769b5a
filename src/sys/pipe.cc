// SPDX-License-Identifier: Apache-2.0
#include "sys/pipe.h"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
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

Result<Fd> make_fifo(const std::string& path) {
    ::unlink(path.c_str());
    if (::mkfifo(path.c_str(), 0600) < 0) {
        return fail(errno_error(errno, "mkfifo " + path));
    }
    // Being a writer, too, keeps the end of the others from being the end of the file (fifo(7)).
    Fd fd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.valid()) {
        return fail(errno_error(errno, "open " + path));
    }
    return above_spawned(std::move(fd));
}

}  // namespace rk::sys
