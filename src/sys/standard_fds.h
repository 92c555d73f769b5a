// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace rk::sys {

/// Opens /dev/null on whichever of descriptors 0, 1, 2 the caller closed. Otherwise the first
/// descriptors we open would become the command's standard input or output.
void open_missing_standard_fds();

}  // namespace rk::sys
