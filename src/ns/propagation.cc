// SPDX-License-Identifier: Apache-2.0
#include "ns/propagation.h"

#include "sys/mount_calls.h"

#include <string_view>

#include <sys/mount.h>

namespace rk::ns {

namespace {

struct PropagationMount {
    std::string_view name;
    unsigned long flags;
};

PropagationMount propagation_mount(model::Propagation propagation) {
    switch (propagation) {
        case model::Propagation::kPrivate:
            return {"private", MS_PRIVATE};
        case model::Propagation::kRprivate:
            return {"rprivate", MS_REC | MS_PRIVATE};
        case model::Propagation::kSlave:
            return {"slave", MS_SLAVE};
        case model::Propagation::kRslave:
            return {"rslave", MS_REC | MS_SLAVE};
        case model::Propagation::kShared:
            return {"shared", MS_SHARED};
        case model::Propagation::kRshared:
            return {"rshared", MS_REC | MS_SHARED};
    }
    return {};
}

}  // namespace

Result<void> set_propagation(model::Propagation propagation) {
    const PropagationMount change = propagation_mount(propagation);
    TRY_CTX(sys::mount({.target = "/", .flags = change.flags}), "set mount propagation to {}",
            change.name);
    return {};
}

}  // namespace rk::ns
