// Genes and transcripts put together from the lines of a file of gene models.
#pragma once

#include <optional>

#include "ingest/genes/features.h"
#include "lake/arrow_build.h"

namespace baselake::genes {

struct Contig {
    std::string name;
    std::int64_t length;
};

struct Part {
    std::int64_t start, end, line;
    int phase = -1;
};

// A feature that others may be parts of: a gene, a transcript, or neither.
struct Node {
    std::string id, parent, name, biotype, tags, type, written;  // written: the identifier that the file's users know
    std::int32_t contig = -1;
    std::int64_t start = 0, end = 0, line = 0;
    char strand = '.';
    bool implied = false;  // by its parts
    bool gene = false;
    std::string protein;
    std::vector<Part> exons, coding;
};

class Models {
  public:
    explicit Models(std::vector<Contig> contigs) : contigs_(std::move(contigs)) {
        for (std::size_t i = 0; i < contigs_.size(); ++i) index_.emplace(contigs_[i].name, static_cast<std::int32_t>(i));
    }

    std::int64_t features = 0;  // lines that are features
    std::int64_t elsewhere = 0;  // of them, on contigs that the reference has not

    void add(const Line& line, Flavour flavour, std::int64_t number) {
        ++features;
        if (line.type == "region" || line.type == "chromosome" || line.type == "scaffold" || line.type == "supercontig") {
            alias(line);
            return;
        }
        const std::int32_t contig = contig_of(line.contig);
        if (contig < 0) {
            ++elsewhere;
            return;
        }
        if (line.end > contigs_[static_cast<std::size_t>(contig)].length)
            throw Fault("the feature ends at " + std::to_string(line.end) + ", beyond the " +
                            std::to_string(contigs_[static_cast<std::size_t>(contig)].length) + " bases of contig " + contigs_[static_cast<std::size_t>(contig)].name,
                        number);
        if (flavour == Flavour::gtf)
            add_gtf(line, contig, number);
        else
            add_gff3(line, contig, number);
    }

    // Rows of `genes` and of `transcripts`.
    std::pair<std::vector<Column>, std::vector<Column>> finish();

    std::int64_t genes = 0, transcripts = 0;

  private:
    static bool is_gene(std::string_view type) { return type == "gene" || type.ends_with("_gene") || type == "pseudogene"; }

    void add_gff3(const Line& line, std::int32_t contig, std::int64_t number) {
        if (line.type == "exon" || line.type == "CDS") {
            const std::string_view parents = line.get("Parent");
            if (parents.empty()) throw Fault("the " + std::string(line.type) + " has no Parent", number);
            if (line.type == "CDS" && line.phase < 0) throw Fault("the CDS has no phase", number);
            for (std::size_t at = 0; at <= parents.size();) {
                const auto stop = std::min(parents.find(',', at), parents.size());
                add_part(std::string(parents.substr(at, stop - at)), line, contig, number);
                at = stop + 1;
            }
            return;
        }
        const std::string_view id = line.get("ID");
        if (id.empty()) return;
        Node& node = nodes_[place(std::string(id))];
        if (node.contig >= 0) {
            // A feature of several lines: only what is neither gene nor transcript may be one, which its parts tell.
            if (node.type != line.type) throw Fault("ID " + shown(id) + " is that of line " + std::to_string(node.line), number);
            node.start = std::min(node.start, line.start);
            node.end = std::max(node.end, line.end);
            return;
        }
        fill(node, line, contig, number);
        const std::string_view parents = line.get("Parent");
        node.parent = parents.substr(0, parents.find(','));
        node.gene = is_gene(line.type);
        if (node.gene) {
            node.written = line.first_of("gene_id");
            node.name = line.first_of("Name", "gene_name", "gene");
        } else {
            node.written = line.first_of("transcript_id");
            if (const auto version = line.get("version"); !version.empty() && !node.written.empty() && node.written.find('.') == std::string::npos)
                node.written += "." + std::string(version);
            node.name = line.first_of("gene_name", "gene");
        }
        if (node.written.empty()) node.written = unprefixed(id);
        node.biotype = node.gene ? line.first_of("biotype", "gene_type", "gene_biotype") : line.first_of("biotype", "transcript_type", "transcript_biotype");
    }

    void add_gtf(const Line& line, std::int32_t contig, std::int64_t number) {
        const std::string_view gene = line.get("gene_id"), transcript = line.get("transcript_id");
        if (gene.empty()) throw Fault("the line has no gene_id", number);
        const std::string where = contigs_[static_cast<std::size_t>(contig)].name + " ";
        const std::string gene_key = "gene " + where + std::string(gene), key = "transcript " + where + std::string(transcript);
        if (line.type == "gene") {
            Node& node = nodes_[place(gene_key)];
            if (node.contig >= 0 && !node.implied) throw Fault("gene " + shown(gene) + " is that of line " + std::to_string(node.line), number);
            fill(node, line, contig, number);
            node.gene = true;
            node.written = gene;
            node.name = line.first_of("gene_name", "gene");
            node.biotype = line.first_of("gene_biotype", "gene_type");
            return;
        }
        const bool part = line.type == "exon" || line.type == "CDS" || line.type == "stop_codon";
        if (line.type != "transcript" && !part) return;
        if (transcript.empty()) throw Fault("the " + std::string(line.type) + " has no transcript_id", number);
        {
            Node& node = nodes_[place(gene_key)];
            if (node.contig < 0) {
                fill(node, line, contig, number);
                node.implied = node.gene = true;
                node.written = gene;
                node.name = line.first_of("gene_name", "gene");
                node.biotype = line.first_of("gene_biotype", "gene_type");
            } else if (node.implied) {
                node.start = std::min(node.start, line.start);
                node.end = std::max(node.end, line.end);
            }
        }
        Node& node = nodes_[place(key)];
        if (line.type == "transcript" && node.contig >= 0 && !node.implied)
            throw Fault("transcript " + shown(transcript) + " is that of line " + std::to_string(node.line), number);
        if (node.contig < 0 || line.type == "transcript") {
            fill(node, line, contig, number);
            node.implied = line.type != "transcript";
            node.parent = gene_key;
            node.written = transcript;
            if (const auto version = line.get("transcript_version"); !version.empty() && transcript.find('.') == std::string_view::npos)
                node.written += "." + std::string(version);
            node.biotype = line.first_of("transcript_biotype", "transcript_type", "gene_biotype");
            node.name = line.first_of("gene_name", "gene");
        } else if (node.implied) {
            node.start = std::min(node.start, line.start);
            node.end = std::max(node.end, line.end);
        }
        if (part) add_part(key, line, contig, number);
    }

    void add_part(const std::string& key, const Line& line, std::int32_t contig, std::int64_t number) {
        Node& node = nodes_[place(key)];
        if (node.id.empty()) node.id = key;
        if (!node.line) node.line = number;
        auto& parts = line.type == "exon" ? node.exons : node.coding;
        parts.push_back({line.start, line.end, number, line.type == "stop_codon" ? -2 : line.phase});
        if (line.type == "CDS") {
            if (node.protein.empty()) node.protein = line.first_of("protein_id");
            if (line.get("exception").find("slippage") != std::string_view::npos) node.tags += ",slippage";
        }
        part_strand(node, line, contig, number);
    }

    // Parts may come before what they are parts of; both are on one strand of one contig.
    void part_strand(Node& node, const Line& line, std::int32_t contig, std::int64_t number) {
        if (node.contig < 0) {
            early_.try_emplace(node.id, contig, line.strand);
            return;
        }
        if (node.contig != contig || (node.strand != line.strand && !node.gene))
            throw Fault("the " + std::string(line.type) + " is on another contig or strand than line " + std::to_string(node.line), number);
    }

    static void fill(Node& node, const Line& line, std::int32_t contig, std::int64_t number) {
        node.contig = contig;
        node.start = line.start;
        node.end = line.end;
        node.strand = line.strand;
        node.line = number;
        node.type = line.type;
        node.implied = false;
        for (const auto& [key, value] : line.attributes)
            if (key == "tag" || key == "partial" || key == "start_range" || key == "end_range") node.tags += "," + (key == "tag" ? value : std::string(key));
    }

    std::size_t place(const std::string& key) {
        const auto [found, added] = by_id_.try_emplace(key, nodes_.size());
        if (added) nodes_.emplace_back().id = key;
        return found->second;
    }

    static std::string_view unprefixed(std::string_view id) {
        for (const std::string_view prefix : {"transcript:", "gene:", "rna-", "gene-"})
            if (id.starts_with(prefix)) return id.substr(prefix.size());
        return id;
    }

    // RefSeq's lines of type region say which chromosome a sequence is.
    void alias(const Line& line) {
        std::string_view name = line.get("chromosome");
        if (line.get("genome") == "mitochondrion") name = "MT";
        if (name.empty() || name == "Unknown" || (line.get("genome") != "chromosome" && line.get("genome") != "mitochondrion")) return;
        if (const std::int32_t contig = spelled(name); contig >= 0) index_.try_emplace(std::string(line.contig), contig);
    }

    std::int32_t find(std::string_view name) const {
        const auto found = index_.find(std::string(name));
        return found == index_.end() ? -1 : found->second;
    }

    // With chr and without, and the mitochondrion's names.
    std::int32_t spelled(std::string_view name) const {
        std::int32_t found = find(name);
        if (found < 0) found = name.starts_with("chr") ? find(name.substr(3)) : find("chr" + std::string(name));
        if (found < 0 && (name == "M" || name == "MT" || name == "chrM" || name == "chrMT"))
            for (const char* other : {"MT", "chrM", "M", "chrMT"})
                if (found < 0) found = find(other);
        return found;
    }

    std::int32_t contig_of(std::string_view name) {
        std::int32_t found = spelled(name);
        if (found < 0 && name.starts_with("NC_0000") && name.size() > 9) {
            // RefSeq's accessions of the human chromosomes: NC_000001 to NC_000024, the last two X and Y.
            const std::string_view digits = name.substr(7, 2);
            const int chromosome = digits[0] >= '0' && digits[0] <= '9' && digits[1] >= '0' && digits[1] <= '9' ? 10 * (digits[0] - '0') + digits[1] - '0' : 0;
            if (chromosome >= 1 && chromosome <= 24)
                found = spelled(chromosome == 23 ? "X" : chromosome == 24 ? "Y" : std::to_string(chromosome));
        } else if (found < 0 && name.starts_with("NC_012920")) {
            found = spelled("MT");
        }
        if (found >= 0) index_.try_emplace(std::string(name), found);
        return found;
    }

    const Node* gene_of(const Node& node) const {
        const Node* at = &node;
        for (int steps = 0; at && steps < 8; ++steps) {
            if (at->gene) return at;
            const auto found = by_id_.find(at->parent);
            at = found == by_id_.end() ? nullptr : &nodes_[found->second];
        }
        return nullptr;
    }

    std::vector<Contig> contigs_;
    std::unordered_map<std::string, std::int32_t> index_;
    std::unordered_map<std::string, std::size_t> by_id_;
    std::vector<Node> nodes_;
    std::unordered_map<std::string, std::pair<std::int32_t, char>> early_;
};

inline bool tagged(const Node& node, std::string_view tag) {
    for (std::size_t at = node.tags.find(tag); at != std::string::npos; at = node.tags.find(tag, at + 1)) {
        const std::size_t end = at + tag.size();
        if (at && node.tags[at - 1] == ',' && (end == node.tags.size() || node.tags[end] == ',')) return true;
    }
    return false;
}

inline std::pair<std::vector<Column>, std::vector<Column>> Models::finish() {
    std::vector<Column> gene_rows, rows;
    gene_rows.emplace_back("contig", "i");
    for (const char* name : {"gene_id", "gene", "biotype", "strand"}) gene_rows.push_back(text_column(name));
    for (const char* name : {"start", "end"}) gene_rows.emplace_back(name, "i");
    rows.emplace_back("contig", "i");
    for (const char* name : {"transcript_id", "gene_id", "gene", "biotype", "strand", "protein_id", "mane"}) rows.push_back(text_column(name));
    for (const char* name : {"start", "end", "cds_start", "cds_end"}) rows.emplace_back(name, "i");
    for (const char* name : {"phase", "canonical", "whole_start", "whole_end"}) rows.emplace_back(name, "c");
    for (const char* name : {"exon_starts", "exon_ends"}) rows.push_back(list_column(name, "i"));
    rows.push_back(text_column("note"));

    const auto optional_text = [](Column& column, const std::string& value) {
        if (value.empty())
            column.add_null();
        else
            column.add_text(value);
    };
    for (Node& node : nodes_) {
        if (node.gene && node.contig >= 0) {
            ++genes;
            gene_rows[0].add(node.contig);
            gene_rows[1].add_text(node.written);
            gene_rows[2].add_text(node.name.empty() ? node.written : node.name);
            optional_text(gene_rows[3], node.biotype);
            gene_rows[4].add_text(std::string(1, node.strand));
            gene_rows[5].add(static_cast<std::int32_t>(node.start));
            gene_rows[6].add(static_cast<std::int32_t>(node.end));
        }
        if (node.exons.empty() && node.coding.empty()) continue;
        if (node.contig < 0) {
            const std::int64_t line = node.exons.empty() ? node.coding[0].line : node.exons[0].line;
            throw Fault("its Parent " + shown(node.id) + " is not in the file", line);
        }
        if (node.strand != '+' && node.strand != '-') throw Fault("a transcript has no strand", node.line);
        if (const auto early = early_.find(node.id); early != early_.end() && (early->second.first != node.contig || (early->second.second != node.strand && !node.gene)))
            throw Fault("it is on another contig or strand than its parts", node.line);
        const Node* gene = gene_of(node);
        if (!gene) throw Fault("no gene is above " + shown(node.id), node.line);

        auto by_start = [](const Part& a, const Part& b) { return a.start < b.start; };
        std::sort(node.exons.begin(), node.exons.end(), by_start);
        std::sort(node.coding.begin(), node.coding.end(), by_start);
        // A gene that has a CDS and no exon: as mitochondrial genes of RefSeq are.
        if (node.exons.empty()) node.exons = node.coding;
        std::vector<Part> exons;
        for (const Part& exon : node.exons) {
            if (!exons.empty() && exon.start < exons.back().end) {
                if (exon.start == exons.back().start && exon.end == exons.back().end) continue;
                throw Fault("the exon overlaps that of line " + std::to_string(exons.back().line), exon.line);
            }
            exons.push_back(exon);
        }
        const bool forward = node.strand == '+';
        std::string note;
        std::int64_t cds_start = -1, cds_end = -1;
        int phase = 0;
        if (!node.coding.empty()) {
            cds_start = node.coding.front().start;
            cds_end = 0;
            for (const Part& part : node.coding) cds_end = std::max(cds_end, part.end);
            std::vector<Part> cds;
            for (const Part& part : node.coding)
                if (part.phase >= -1) cds.push_back(part);
            if (cds.empty()) throw Fault("a stop codon without a CDS", node.coding[0].line);
            phase = std::max(0, forward ? cds.front().phase : cds.back().phase);
            // The CDS has to be what its exons have between its ends.
            std::int64_t of_exons = 0, of_parts = 0, last = -1;
            for (const Part& exon : exons) of_exons += std::max<std::int64_t>(0, std::min(exon.end, cds_end) - std::max(exon.start, cds_start));
            bool inside = true;
            for (const Part& part : node.coding) {
                inside = inside && part.start >= last;
                last = part.end;
                of_parts += part.end - part.start;
                inside = inside && std::any_of(exons.begin(), exons.end(), [&](const Part& exon) { return exon.start <= part.start && part.end <= exon.end; });
            }
            if (!inside || of_exons != of_parts || tagged(node, "slippage")) {
                note = "its CDS is not what its exons have between the ends of it";
                cds_start = cds_end = -1;
                phase = 0;
            }
        }
        std::int64_t length = -phase;
        for (const Part& exon : exons) length += std::max<std::int64_t>(0, std::min(exon.end, cds_end) - std::max(exon.start, cds_start));
        const bool partial = tagged(node, "partial");
        const bool start_missing = tagged(node, "cds_start_NF") || tagged(node, "start_range") || phase;
        const bool end_missing = tagged(node, "cds_end_NF") || tagged(node, "end_range") || length % 3 != 0;
        const bool neither = partial && !tagged(node, "start_range") && !tagged(node, "end_range");
        ++transcripts;
        rows[0].add(node.contig);
        rows[1].add_text(node.written);
        rows[2].add_text(gene->written);
        rows[3].add_text(!gene->name.empty() ? gene->name : !node.name.empty() ? node.name : gene->written);
        optional_text(rows[4], !node.biotype.empty() ? node.biotype : node.type == "mRNA" || (node.gene && cds_start >= 0) ? std::string("protein_coding") : node.type);
        rows[5].add_text(std::string(1, node.strand));
        optional_text(rows[6], node.protein);
        const bool select = tagged(node, "MANE_Select") || tagged(node, "MANE Select");
        const bool plus = tagged(node, "MANE_Plus_Clinical") || tagged(node, "MANE Plus Clinical");
        optional_text(rows[7], select ? "select" : plus ? "plus_clinical" : "");
        rows[8].add(static_cast<std::int32_t>(exons.front().start));
        rows[9].add(static_cast<std::int32_t>(exons.back().end));
        if (cds_start >= 0) {
            rows[10].add(static_cast<std::int32_t>(cds_start));
            rows[11].add(static_cast<std::int32_t>(cds_end));
            rows[12].add(static_cast<std::int8_t>(phase));
        } else {
            for (int i = 10; i < 13; ++i) rows[static_cast<std::size_t>(i)].add_null();
        }
        rows[13].add(static_cast<std::int8_t>(select || tagged(node, "Ensembl_canonical") || tagged(node, "RefSeq Select")));
        if (cds_start >= 0) {
            rows[14].add(static_cast<std::int8_t>(!start_missing && !neither));
            rows[15].add(static_cast<std::int8_t>(!end_missing && !neither));
        } else {
            rows[14].add_null();
            rows[15].add_null();
        }
        for (const Part& exon : exons) {
            rows[16].children[0]->add(static_cast<std::int32_t>(exon.start));
            rows[17].children[0]->add(static_cast<std::int32_t>(exon.end));
        }
        rows[16].close_list(true);
        rows[17].close_list(true);
        optional_text(rows[18], note);
    }
    return {std::move(gene_rows), std::move(rows)};
}

}  // namespace baselake::genes
