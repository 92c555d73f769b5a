// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

namespace rk::sys {

struct Pipe {
    Fd read_end;
    Fd write_end;
};

/// A pipe to a program that is about to be started: both ends have numbers above those that a
/// SpawnPlan fills (0..3), the read end is non-blocking and the write end is not.
[[nodiscard]] Result<Pipe> make_pipe();

/// The same descriptor with such a number.
[[nodiscard]] Result<Fd> above_spawned(Fd fd);

}  // namespace rk::sys
