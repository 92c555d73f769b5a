# One interface target, `rk_flags`, carries what every translation unit is built with.
add_library(rk_flags INTERFACE)
# -iquote, not -I: <sys/file.h> must stay the system header beside our "sys/file.h".
target_compile_options(rk_flags INTERFACE "SHELL:-iquote ${PROJECT_SOURCE_DIR}/src")

target_compile_options(rk_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
  -Woverloaded-virtual -Wnull-dereference -Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough
  -Wswitch-enum)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(rk_flags INTERFACE -Wduplicated-cond -Wduplicated-branches -Wlogical-op)
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # gcc 12 takes the storage of a moved std::optional<std::variant<...>> for uninitialised.
    target_compile_options(rk_flags INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
if(RK_WERROR)
  target_compile_options(rk_flags INTERFACE -Werror)
endif()

target_compile_options(rk_flags INTERFACE
  -fstack-protector-strong -ffunction-sections -fdata-sections -fPIE)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|i.86)$")
  target_compile_options(rk_flags INTERFACE -fcf-protection) # Intel CET; other compilers refuse it
endif()
target_link_options(rk_flags INTERFACE -Wl,-z,relro,-z,now -Wl,--gc-sections)

# Set-up code runs once, so its size costs more than its speed: pages to fault in at each start, and
# to keep resident. With -O2 the two idle processes need 1604 KiB (PSS), with -Os 1352.
set(CMAKE_CXX_FLAGS_RELEASE "-Os -DNDEBUG")
# Keeps std::locale with its 400 KiB of facets out of the programs; numbers are never grouped.
target_compile_definitions(rk_flags INTERFACE FMT_STATIC_THOUSANDS_SEPARATOR=44)

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(rk_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
else()
  target_compile_definitions(rk_flags INTERFACE _GLIBCXX_ASSERTIONS)
endif()

if(RK_SANITIZE)
  target_compile_options(rk_flags INTERFACE -fsanitize=${RK_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all
    -fno-sanitize=vptr) # asks pipe(2) whether memory can be read: false alarms in tests without a free fd
  target_link_options(rk_flags INTERFACE -fsanitize=${RK_SANITIZE})
endif()
if(RK_COVERAGE)
  target_compile_options(rk_flags INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(rk_flags INTERFACE --coverage)
  target_compile_definitions(rk_flags INTERFACE RK_COVERAGE)
endif()

# How the programs (not the tests) are linked.
add_library(rk_program INTERFACE)
target_link_libraries(rk_program INTERFACE rk_flags)
if(RK_STATIC AND NOT RK_SANITIZE)
  target_link_options(rk_program INTERFACE -static-pie)
else()
  target_link_options(rk_program INTERFACE -pie)
endif()
