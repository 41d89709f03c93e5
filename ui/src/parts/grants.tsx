// Grants in tables: what counts and why, and what was given directly.
import type { Held, OwnGrant } from "../api/types";
import { Muted, Outline } from "../chakra";
import { useShared } from "../context";
import { ago, time, through, where } from "../words";
import { A, Row, Rows, Word } from "./basics";
import { to } from "../place";

export const Until = ({ iso }: { iso: string | null }) =>
  iso ? (
    <>
      <time dateTime={iso} title={ago(iso)}>
        {time(iso)}
      </time>{" "}
      {new Date(iso) < new Date() ? <Word palette="orange">ended</Word> : null}
    </>
  ) : (
    <>no end</>
  );

/** Each grant that counts, with where it comes from; one that is held twice is there twice. */
export function HeldGrants({ grants, label, empty }: { grants: Held[]; label: string; empty: string }) {
  const { me } = useShared();
  return (
    <Rows label={label} head={["Role", "Where", "Why", "Until"]} empty={empty}>
      {grants.map((grant, index) => (
        <Row
          key={index}
          cells={[
            <Word key="role">{grant.role}</Word>,
            where(grant.scope, me),
            grant.through.kind === "Team" && me.rights.access ? (
              <A href={to("teams", grant.through.name)}>{through(grant)}</A>
            ) : (
              through(grant)
            ),
            <Until key="until" iso={grant.expires_at} />,
          ]}
        />
      ))}
    </Rows>
  );
}

/** What was given to a user or a Team itself, to be taken away again. */
export function OwnGrants({
  grants,
  label,
  empty,
  onRevoke,
}: {
  grants: OwnGrant[];
  label: string;
  empty: string;
  onRevoke: (grant: OwnGrant) => void;
}) {
  const { me } = useShared();
  return (
    <Rows label={label} head={["Role", "Where", "Until", "Note", "Change"]} empty={empty}>
      {grants.map((grant, index) => (
        <Row
          key={index}
          cells={[
            <Word key="role">{grant.role}</Word>,
            where(grant.scope, me),
            <Until key="until" iso={grant.expires_at} />,
            grant.note,
            grant.may_revoke ? (
              <Outline
                size="xs"
                onClick={() => onRevoke(grant)}
                aria-label={`Revoke ${grant.role} on ${where(grant.scope, me)}`}
              >
                Revoke
              </Outline>
            ) : (
              <Muted>not by you</Muted>
            ),
          ]}
        />
      ))}
    </Rows>
  );
}
