package graph

import "net/http"

// rows are the operations below /v1.0 and /beta.
func (g *Graph) rows() []row {
	rows := []row{
		read("GetMe", "/me", g.getMe),
		read("ListMyOwnedObjects", "/me/ownedObjects", g.listMyOwnedObjects),
		read("GetOrganization", "/organization", g.listOrganization),
		read("ListDomains", "/domains", g.listDomains),
		read("GetDirectoryObject", "/directoryObjects/{id}", g.getObject),
		ask("GetByIds", "/directoryObjects/getByIds", g.getByIDs),
		read("GetDeletedItem", "/directory/deletedItems/{id}", g.getDeleted),
		write("DeleteDeletedItem", http.MethodDelete, "/directory/deletedItems/{id}", g.getDeleted),
	}
	rows = append(rows, g.userRows()...)
	rows = append(rows, g.groupRows()...)
	rows = append(rows, g.applicationRows()...)
	rows = append(rows, g.principalRows()...)
	for _, of := range []string{"/me", "/users/{id}", "/groups/{id}", "/servicePrincipals/{id}", "/directoryObjects/{id}"} {
		rows = append(rows, g.membershipRows(of)...)
	}
	return append(rows, addressedRows(rows)...)
}

func (g *Graph) userRows() []row {
	return []row{
		read("ListUsers", "/users", g.listUsers),
		read("CountUsers", "/users/$count", g.countUsers),
		read("GetUser", "/users/{id}", g.getUser),
		read("GetManager", "/users/{id}/manager", g.getManager),
		write("CreateUser", http.MethodPost, "/users", g.createUser),
		write("UpdateUser", http.MethodPatch, "/users/{id}", g.updateUser),
		write("DeleteUser", http.MethodDelete, "/users/{id}", g.deleteUser),
	}
}

func (g *Graph) groupRows() []row {
	return []row{
		read("ListGroups", "/groups", g.listGroups),
		read("CountGroups", "/groups/$count", g.countGroups),
		read("GetGroup", "/groups/{id}", g.getGroup),
		write("CreateGroup", http.MethodPost, "/groups", g.createGroup),
		write("UpdateGroup", http.MethodPatch, "/groups/{id}", g.updateGroup),
		write("DeleteGroup", http.MethodDelete, "/groups/{id}", g.deleteGroup),
		read("ListMembers", "/groups/{id}/members", g.listMembers),
		read("ListTransitiveMembers", "/groups/{id}/transitiveMembers", g.listTransitiveMembers),
		write("AddMember", http.MethodPost, "/groups/{id}/members/$ref", g.addMember),
		write("RemoveMember", http.MethodDelete, "/groups/{id}/members/{member}/$ref", g.removeMember),
		read("ListGroupOwners", "/groups/{id}/owners", g.listGroupOwners),
		write("AddGroupOwner", http.MethodPost, "/groups/{id}/owners/$ref", g.addGroupOwner),
		write("RemoveGroupOwner", http.MethodDelete, "/groups/{id}/owners/{member}/$ref", g.removeGroupOwner),
	}
}

func (g *Graph) applicationRows() []row {
	const one = "/applications/{id}"
	return []row{
		read("ListApplications", "/applications", g.listApplications),
		read("CountApplications", "/applications/$count", g.countApplications),
		read("GetApplication", one, g.getApplication),
		write("CreateApplication", http.MethodPost, "/applications", g.createApplication),
		write("UpdateApplication", http.MethodPatch, one, g.updateApplication),
		write("DeleteApplication", http.MethodDelete, one, g.deleteApplication),
		write("AddApplicationPassword", http.MethodPost, one+"/addPassword", g.addApplicationPassword),
		write("RemoveApplicationPassword", http.MethodPost, one+"/removePassword", g.removeApplicationPassword),
		read("ListApplicationOwners", one+"/owners", g.listApplicationOwners),
		write("AddApplicationOwner", http.MethodPost, one+"/owners/$ref", g.addApplicationOwner),
		write("RemoveApplicationOwner", http.MethodDelete, one+"/owners/{member}/$ref", g.removeApplicationOwner),
		read("ListFederatedCredentials", one+"/federatedIdentityCredentials", g.listCredentials),
		read("GetFederatedCredential", one+"/federatedIdentityCredentials/{credential}", g.getCredential),
		write("CreateFederatedCredential", http.MethodPost, one+"/federatedIdentityCredentials", g.createCredential),
		write("UpdateFederatedCredential", http.MethodPatch, one+"/federatedIdentityCredentials/{credential}", g.updateCredential),
		write("DeleteFederatedCredential", http.MethodDelete, one+"/federatedIdentityCredentials/{credential}", g.deleteCredential),
	}
}

func (g *Graph) principalRows() []row {
	const one = "/servicePrincipals/{id}"
	return []row{
		read("ListServicePrincipals", "/servicePrincipals", g.listPrincipals),
		read("CountServicePrincipals", "/servicePrincipals/$count", g.countPrincipals),
		read("GetServicePrincipal", one, g.getPrincipal),
		write("CreateServicePrincipal", http.MethodPost, "/servicePrincipals", g.createPrincipal),
		write("UpdateServicePrincipal", http.MethodPatch, one, g.updatePrincipal),
		write("DeleteServicePrincipal", http.MethodDelete, one, g.deletePrincipal),
		write("AddServicePrincipalPassword", http.MethodPost, one+"/addPassword", g.addPrincipalPassword),
		write("RemoveServicePrincipalPassword", http.MethodPost, one+"/removePassword", g.removePrincipalPassword),
		read("ListServicePrincipalOwners", one+"/owners", g.listPrincipalOwners),
		write("AddServicePrincipalOwner", http.MethodPost, one+"/owners/$ref", g.addPrincipalOwner),
		write("RemoveServicePrincipalOwner", http.MethodDelete, one+"/owners/{member}/$ref", g.removePrincipalOwner),
		read("ListAppRoleAssignments", one+"/appRoleAssignments", g.listAppRoleAssignments),
		write("CreateAppRoleAssignment", http.MethodPost, one+"/appRoleAssignments", g.createAppRoleAssignment),
		write("DeleteAppRoleAssignment", http.MethodDelete, one+"/appRoleAssignments/{assignment}", g.deleteAppRoleAssignment),
	}
}

// membershipRows are what every kind of member can be asked.
func (g *Graph) membershipRows(of string) []row {
	names := map[string]string{
		"/me": "Me", "/users/{id}": "User", "/groups/{id}": "Group", "/servicePrincipals/{id}": "ServicePrincipal", "/directoryObjects/{id}": "DirectoryObject",
	}
	name := names[of]
	return []row{
		read("ListMemberOf"+name, of+"/memberOf", g.listMemberOf),
		read("ListTransitiveMemberOf"+name, of+"/transitiveMemberOf", g.listTransitiveMemberOf),
		ask("GetMemberGroups"+name, of+"/getMemberGroups", g.getMemberGroups),
		ask("GetMemberObjects"+name, of+"/getMemberObjects", g.getMemberGroups),
		ask("CheckMemberGroups"+name, of+"/checkMemberGroups", g.checkMemberGroups),
		ask("CheckMemberObjects"+name, of+"/checkMemberObjects", g.checkMemberObjects),
	}
}
