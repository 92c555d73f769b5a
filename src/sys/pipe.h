// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

#include <string>

namespace rk::sys {

struct Pipe {
    Fd read_end;
    Fd write_end;
};

/// A pipe to a program that is about to be started: both ends have numbers above those that a
/// SpawnPlan fills (0..3), the read end is non-blocking and the write end is not.
[[nodiscard]] Result<Pipe> make_pipe();

/// Makes a FIFO at `path`, in place of what is there, and opens its read end: non-blocking, and
/// never at its end, however many writers come and go. For programs that take a path, no
/// descriptor.
[[nodiscard]] Result<Fd> make_fifo(const std::string& path);

/// The same descriptor with such a number.
[[nodiscard]] Result<Fd> above_spawned(Fd fd);

}  // namespace rk::sys
