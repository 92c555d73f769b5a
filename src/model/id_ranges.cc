// SPDX-License-Identifier: Apache-2.0
#include "model/id_ranges.h"

#include <fmt/format.h>

#include <algorithm>

namespace rk::model {

namespace {

constexpr std::uint64_t kNoId = UINT32_MAX;  // (uid_t)-1

std::string show(const IdRange& range) {
    return fmt::format("{}:{}", range.start, range.length);
}

IdRange between(std::uint64_t begin, std::uint64_t end) {
    return IdRange{.start = static_cast<std::uint32_t>(begin),
                   .length = static_cast<std::uint32_t>(end - begin)};
}

bool overlap(const IdRange& a, const IdRange& b) {
    return a.start < b.end() && b.start < a.end();
}

// Takes `taken` out of every piece; a piece may vanish, shrink or split in two.
void subtract(std::vector<IdRange>& pieces, const IdRange& taken) {
    std::vector<IdRange> left;
    for (const IdRange& piece : pieces) {
        if (!overlap(piece, taken)) {
            left.push_back(piece);
            continue;
        }
        if (piece.start < taken.start) {
            left.push_back(between(piece.start, taken.start));
        }
        if (taken.end() < piece.end()) {
            left.push_back(between(taken.end(), piece.end()));
        }
    }
    pieces = std::move(left);
}

std::string show_rest(const std::vector<IdRange>& pieces) {
    if (pieces.empty()) {
        return "ignoring it";
    }
    std::string text = "using ";
    for (const IdRange& piece : pieces) {
        text += fmt::format("{}{}", &piece == pieces.data() ? "" : ", ", show(piece));
    }
    return text;
}

// Collects ranges while they fit, and remembers where each one came from.
class Collector {
 public:
    Collector(std::string_view kind, std::uint32_t own_id)
        : kind_(kind), own_{own_id, 1}, bytes_(line_bytes(0, own_)) {}

    void add(const SourcedRange& found) {
        std::vector<IdRange> pieces = {found.range};
        std::string clashes;
        if (overlap(found.range, own_)) {
            subtract(pieces, own_);
            clashes = fmt::format("contains your own {} {}", kind_, own_.start);
        }
        const SourcedRange* first = nullptr;
        for (const SourcedRange& earlier : taken_) {
            if (overlap(found.range, earlier.range)) {
                subtract(pieces, earlier.range);
                first = first == nullptr ? &earlier : first;
            }
        }
        if (first != nullptr) {
            clashes += fmt::format("{}overlaps {} of {}", clashes.empty() ? "" : " and ",
                                   show(first->range), first->origin);
        }
        if (!clashes.empty()) {
            result_.warnings.push_back(fmt::format("{}: range {} {}: {}", found.origin,
                                                   show(found.range), clashes, show_rest(pieces)));
        }
        for (const IdRange& piece : pieces) {
            append(piece, found.origin);
        }
    }

    NormalisedRanges finish() {
        if (dropped_ > 0) {
            result_.warnings.push_back(fmt::format(
                "{}: range {} does not fit into one {} map (the kernel takes at most {} lines and "
                "{} bytes): ignoring it and {} more",
                dropped_origin_, show(dropped_range_), kind_, kMaxMapLines, kMaxMapBytes,
                dropped_ - 1));
        }
        return std::move(result_);
    }

 private:
    static std::size_t line_bytes(std::uint64_t inside, const IdRange& range) {
        return fmt::formatted_size("{} {} {}\n", inside, range.start, range.length);
    }

    void append(const IdRange& piece, const std::string& origin) {
        const std::size_t line = line_bytes(inside_, piece);
        // One line is the own ID's. Once full, full: a later, shorter range must not jump the
        // queue.
        if (dropped_ > 0 || result_.ranges.size() + 2 > kMaxMapLines ||
            bytes_ + line > kMaxMapBytes) {
            if (dropped_++ == 0) {
                dropped_range_ = piece;
                dropped_origin_ = origin;
            }
            return;
        }
        bytes_ += line;
        inside_ += piece.length;
        result_.ranges.push_back(piece);
        taken_.push_back(SourcedRange{.range = piece, .origin = origin});
    }

    std::string_view kind_;
    IdRange own_;
    std::size_t bytes_;
    std::uint64_t inside_ = 1;
    std::vector<SourcedRange> taken_;
    std::size_t dropped_ = 0;
    IdRange dropped_range_;
    std::string dropped_origin_;
    NormalisedRanges result_;
};

}  // namespace

std::optional<IdRange> clip_range(std::uint64_t start, std::uint64_t length) {
    if (start >= kNoId || length == 0) {
        return std::nullopt;
    }
    return between(start, start + std::min(length, kNoId - start));
}

NormalisedRanges normalise_ranges(std::string_view kind, std::uint32_t own_id,
                                  std::span<const SourcedRange> found) {
    Collector collector(kind, own_id);
    for (const SourcedRange& range : found) {
        if (const auto usable = clip_range(range.range.start, range.range.length)) {
            collector.add(SourcedRange{.range = *usable, .origin = range.origin});
        }
    }
    return collector.finish();
}

}  // namespace rk::model
