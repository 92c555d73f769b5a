// SPDX-License-Identifier: Apache-2.0
#include "gateway/ledger.h"

#include <cerrno>
#include <new>

#include <sys/mman.h>

namespace rk::gateway {

void Ledger::begin() {
    for (Counters& counters : workers) {
        for (Count* const count :
             {&counters.held_syns, &counters.udp_flows, &counters.bytes_out, &counters.bytes_in}) {
            count->set(0);
        }
    }
}

Result<SharedLedger> SharedLedger::make() {
    void* const memory =
        ::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return fail(errno_error(errno, "map memory for counters"));
    }
    return SharedLedger(new (memory) Ledger);
}

void SharedLedger::Unmap::operator()(Ledger* ledger) const {
    ::munmap(ledger, sizeof(Ledger));
}

}  // namespace rk::gateway
