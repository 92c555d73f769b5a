// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace rk::sys {

/// Gives back what only the start needed, before a process goes to sleep for the rest of its life:
/// the program's own code and constants, which the kernel reads in again page by page where they
/// are used, and free heap. Harmless at any time.
void release_start_up_memory();

}  // namespace rk::sys
