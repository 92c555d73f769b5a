// SPDX-License-Identifier: Apache-2.0
#include "wire/passwd_file.h"

#include "wire/nsswitch.h"

#include <gtest/gtest.h>

namespace rk::wire {
namespace {

TEST(PasswdFile, FindsTheFirstEntryOfAUid) {
    const auto entry = find_passwd_entry(
        "root:x:0:0:root:/root:/bin/bash\n"
        "rk:x:1001:1002:R. K.,,,:/home/rk:/bin/sh\n"
        "twin:x:1001:7::/:/bin/sh\n",
        1001);
    EXPECT_EQ(entry, (PasswdEntry{"rk", 1001, 1002, "/home/rk"}));
}

TEST(PasswdFile, AMissingShellIsAllowed) {
    EXPECT_EQ(find_passwd_entry("rk:x:5:6::/h", 5), (PasswdEntry{"rk", 5, 6, "/h"}));
}

TEST(PasswdFile, SkipsWhatIsNoEntry) {
    for (const char* text :
         {"", ":x:5:6::/h:/s", "#rk:x:5:6::/h:/s", "+rk:x:5:6::/h:/s", "-rk:x:5:6::/h:/s",
          "rk:x:5:6", "rk:x:five:6::/h:/s", "rk:x:5:six::/h:/s", "rk:x:4294967301:6::/h:/s",
          "rk:x:5:99999999999999999999::/h:/s"}) {
        EXPECT_EQ(find_passwd_entry(text, 5), std::nullopt) << text;
    }
}

TEST(Nsswitch, FilesAloneAreNoOtherSource) {
    for (const char* text :
         {"", "passwd: files\nsubid: files\n", "subid:", "#subid: sss", "subid: files # sss",
          "subids: sss", "xsubid: sss", "subid: files [NOTFOUND = return]"}) {
        EXPECT_FALSE(names_other_subid_source(text)) << text;
    }
}

TEST(Nsswitch, AnythingElseIsAnotherSubidSource) {
    for (const char* text : {"subid: sss", " subid :sss files", "subid:\tfiles sss", "SUBID: sss",
                             "subid: files [NOTFOUND=continue]sss", "a\nsubid: ldap"}) {
        EXPECT_TRUE(names_other_subid_source(text)) << text;
    }
}

TEST(Nsswitch, PasswdSources) {
    EXPECT_FALSE(names_other_passwd_source("passwd: files\nsubid: sss"));
    EXPECT_FALSE(names_other_passwd_source("passwd: compat files"));
    EXPECT_TRUE(names_other_passwd_source("passwd:         files systemd\n"));
    EXPECT_TRUE(names_other_passwd_source("passwd: files [!NOTFOUND=return] ldap"));
}

}  // namespace
}  // namespace rk::wire
