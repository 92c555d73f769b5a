// SPDX-License-Identifier: Apache-2.0
#include "sys/memory.h"

#include <cstddef>
#include <cstdint>

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

namespace rk::sys {

namespace {

// Drops the clean pages of one read-only segment. They are file pages of the page cache:
// MADV_DONTNEED only takes them out of this process' page table (madvise(2)).
void drop_segment(std::uintptr_t base, const ElfW(Phdr) & segment, std::uintptr_t page) {
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) {
        return;
    }
    const std::uintptr_t begin = (base + segment.p_vaddr + page - 1) / page * page;
    const std::uintptr_t end = (base + segment.p_vaddr + segment.p_memsz) / page * page;
    if (end > begin) {
        // NOLINTNEXTLINE(*-reinterpret-cast, performance-no-int-to-ptr): addresses of our own image
        ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
}

int drop_object(dl_phdr_info* object, std::size_t /*size*/, void* /*context*/) {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    for (ElfW(Half) i = 0; i < object->dlpi_phnum; ++i) {
        drop_segment(object->dlpi_addr, object->dlpi_phdr[i], page);
    }
    return 0;
}

}  // namespace

void release_start_up_memory() {
    ::malloc_trim(0);
    ::dl_iterate_phdr(drop_object, nullptr);
}

}  // namespace rk::sys
