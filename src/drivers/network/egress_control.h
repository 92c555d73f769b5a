// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The rules live here, in the parent; the relay has a copy that is always replaced as a whole. A
// change is first made to the copy: what the relay does not take is not in the list either. After
// a restart of the relay resend() gives it the rules anew; their counts go on (gateway/ledger.h).
//
// IDs count up from 1 and are never used again, so that "remove 3" cannot hit another's rule.
#pragma once

#include "base/result.h"
#include "model/egress_rule.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace rk::drivers {

enum class EgressSource : std::uint8_t { kFlag, kApi };

/// "flag", "api".
[[nodiscard]] std::string_view egress_source_text(EgressSource source);

/// A rule as it is listed.
struct EgressStatus {
    model::EgressRule rule;
    EgressSource source = EgressSource::kFlag;
    std::uint64_t hits = 0;  // times it decided something
};

/// The egress policy of a network, for the API. Every call is bounded in time.
class EgressControl {
 public:
    EgressControl() = default;
    EgressControl(const EgressControl&) = delete;
    EgressControl& operator=(const EgressControl&) = delete;
    EgressControl(EgressControl&&) = delete;
    EgressControl& operator=(EgressControl&&) = delete;
    virtual ~EgressControl() = default;

    /// By ascending id.
    [[nodiscard]] virtual Result<std::vector<EgressStatus>> list() = 0;
    /// Enforced once this returns. The rule with its id; error where there is one that says the
    /// same.
    [[nodiscard]] virtual Result<EgressStatus> add(const model::EgressRule& rule) = 0;
    [[nodiscard]] virtual Result<void> remove(std::uint32_t id) = 0;
};

/// What a relay offers for it.
struct EgressRelay {
    /// Makes these its rules.
    std::function<Result<void>(const std::vector<model::EgressRule>& rules)> push;
    std::function<Result<std::vector<model::EgressHits>>()> hits;
};

/// The one there is. The rules of the command line are in it from the start and reach the relay
/// with the first resend() or change.
class EgressRules final : public EgressControl {
 public:
    EgressRules(const std::vector<model::EgressRule>& flags, EgressRelay relay);

    [[nodiscard]] Result<std::vector<EgressStatus>> list() override;
    [[nodiscard]] Result<EgressStatus> add(const model::EgressRule& rule) override;
    [[nodiscard]] Result<void> remove(std::uint32_t id) override;

    /// Gives the relay all rules: once it runs, and again after each restart.
    [[nodiscard]] Result<void> resend() const;
    /// For a relay that starts with them.
    [[nodiscard]] std::vector<model::EgressRule> rules() const;

 private:
    [[nodiscard]] static std::vector<model::EgressRule> rules_of(
        const std::vector<EgressStatus>& statuses);

    EgressRelay relay_;
    std::vector<EgressStatus> statuses_;  // by id
    std::uint32_t last_id_ = 0;
};

}  // namespace rk::drivers
